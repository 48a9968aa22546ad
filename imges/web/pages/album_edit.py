"""The page on which the owner of an album edits it, after the edit token or the API key; it needs no script."""

from aiohttp import web

from imges.catalog.types import Album, Sort
from imges.errors import BadParameter, ImgesError, KeyWrong, RequestError
from imges.pictures.changing import Asker
from imges.pictures.refusals import NotYours
from imges.web.api.album_json import place_of, written
from imges.web.api.own_api import fields_of
from imges.web.api.upload_options import album_changes_in
from imges.web.app_keys import ACCESS, ALBUMS
from imges.web.connection.proxies import client_address
from imges.web.pages.album_access import cookie_name, let_in
from imges.web.pages.cookies import cookie
from imges.web.pages.rendering import render

PAGE = 100


def routes() -> list[web.RouteDef]:
    return [web.get("/album/{id}/edit", show), web.post("/album/{id}/edit", change)]


async def show(request: web.Request) -> web.StreamResponse:
    album = await request.app[ALBUMS].by_id(request.match_info["id"])
    if not await _is_owner(request, album):
        return _ask(request, album)
    return await _page(request, album)


async def _is_owner(request: web.Request, album: Album) -> bool:
    ticket = cookie(request, cookie_name("edit", album.id))
    return await request.app[ALBUMS].locks.is_ticket(album, "edit", ticket)


async def change(request: web.Request) -> web.StreamResponse:
    """Takes the edit token or API key; then the forms of the page. The cookie is `SameSite=Strict`."""
    albums = request.app[ALBUMS]
    album = await albums.by_id(request.match_info["id"])
    fields = await fields_of(request)
    if not await _is_owner(request, album):
        return await _sign_in(request, album, fields.get("secret", "").strip())
    try:
        return await _act(request, album, fields)
    except RequestError as error:
        return await _page(request, album, status=error.status, problem=error.message)


async def _sign_in(request: web.Request, album: Album, secret: str) -> web.StreamResponse:
    """Takes a *secret* that is the edit token, or an API key that owns *album*."""
    access, address = request.app[ACCESS], client_address(request)
    await access.admit_password(address)
    asker = Asker(token=secret)
    if not asker.owns(album.api_key, album.edit_token_hash):
        try:
            asker = Asker(await access.holder(secret, address))
        except KeyWrong:
            return _ask(request, album, problem=NotYours("album"))
        if not asker.owns(album.api_key, None):
            return _ask(request, album, problem=NotYours("album"))
    response = _see(album)
    await let_in(request, response, album, "edit")
    return response


async def _act(request: web.Request, album: Album, fields: dict[str, str]) -> web.StreamResponse:
    albums, action = request.app[ALBUMS], fields.pop("action", "")
    name, _, image_id = action.partition(":")
    if name == "save":
        if not fields.get("password"):
            fields.pop("password", None)
        if fields.get("expiration") == "leave":
            del fields["expiration"]
        await albums.edit(album, album_changes_in(fields))
    elif name == "remove":
        await albums.contents.remove(album, [image_id])
    elif name == "cover":
        await albums.edit(album, {"cover": image_id})
    elif name == "first":
        await _move_to_front(request, album, image_id)
    elif name == "delete":
        await albums.delete(album)
        return web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
    else:
        raise BadParameter("action: nothing that can be done")
    return _see(album)


async def _move_to_front(request: web.Request, album: Album, image_id: str) -> None:
    contents = request.app[ALBUMS].contents
    images, _ = await contents.page(album, limit=1)
    if images and images[0].id != image_id:
        await contents.move(album, [image_id], images[0].id)


def _see(album: Album) -> web.Response:
    return web.Response(status=303, headers={"Location": f"/album/{album.id}/edit", "Cache-Control": "no-store"})


def _ask(request: web.Request, album: Album, *, problem: ImgesError | None = None) -> web.Response:
    response = render(
        request, "album_sign_in.html", status=403 if problem else 200, id=album.id, problem=problem and problem.message
    )
    response.headers.update({"Cache-Control": "no-store", "X-Robots-Tag": "noindex"})
    return response


async def _page(request: web.Request, album: Album, *, status: int = 200, problem: str | None = None) -> web.Response:
    contents = request.app[ALBUMS].contents
    images, following = await contents.page(
        album, limit=PAGE, after=place_of(request.query.get("after", ""), album) if status == 200 else None
    )
    response = render(
        request,
        "album_edit.html",
        status=status,
        album=album,
        images=images,
        following=written(following, album),
        sorts=list(Sort),
        problem=problem,
    )
    response.headers.update({"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex"})
    return response
