"""The page of an album: its pictures, codes for all of them, and links to what programs read."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from aiohttp import web

from imges.catalog.types import Album, Image, Privacy, StoredFile
from imges.errors import NotFound
from imges.pictures.refusals import PasswordWanted
from imges.web.api.album_json import place_of, written
from imges.web.api.own_api import fields_of
from imges.web.api.uploads import site
from imges.web.app_keys import ACCESS, ALBUMS, SETTINGS
from imges.web.connection.proxies import client_address
from imges.web.pages.album_access import keep_from_caches, let_in, seen_album
from imges.web.pages.album_files import send_file
from imges.web.pages.embed_codes import GROUPS, embed_codes
from imges.web.pages.previews import preview
from imges.web.pages.rendering import render

PAGE = 100
"""Pictures on one page."""

_FILE = re.compile(r"([0-9A-Za-z]+)\.(zip|json|rss)")
_TITLED = re.compile(r".*\.([0-9A-Za-z]+)")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/album/{id}", page),
        web.post("/album/{id}", unlock),
        web.get("/album/{id}/", sent_on),
        web.get("/a/{id}", sent_on),
    ]


async def sent_on(request: web.Request) -> web.StreamResponse:
    """Sends on to the album's own address."""
    return web.Response(status=301, headers={"Location": f"/album/{quote(request.match_info['id'])}"})


async def page(request: web.Request) -> web.StreamResponse:
    """Answers with the page of an album, or with a file of it: `ID.zip`, `ID.json`, `ID.rss`."""
    named = request.match_info["id"]
    if found := _FILE.fullmatch(named):
        try:
            await request.app[ALBUMS].by_id(found[1])
        except NotFound:
            pass  # it may be a title with an id behind it
        else:
            return await send_file(request, await seen_album(request, found[1]), found[2])
    if titled := _TITLED.fullmatch(named):
        album = await request.app[ALBUMS].by_id(titled[1])
        return web.Response(status=301, headers={"Location": f"/album/{album.id}"})
    try:
        return await _page(request, await seen_album(request, named))
    except PasswordWanted:
        if "text/html" not in request.headers.get("Accept", ""):
            raise
        return _ask(request, named)


async def unlock(request: web.Request) -> web.StreamResponse:
    """Takes the password of an album. Each try counts against the client's address."""
    albums = request.app[ALBUMS]
    album = await albums.by_id(request.match_info["id"])
    await request.app[ACCESS].admit_password(client_address(request))
    if album.privacy is Privacy.PRIVATE:
        raise NotFound
    if album.privacy is Privacy.PASSWORD:
        password = (await fields_of(request)).get("password", "")
        if not await albums.locks.is_password(album, password):
            return _ask(request, album.id, wrong=True)
    response = web.Response(status=303, headers={"Location": f"/album/{album.id}", "Cache-Control": "no-store"})
    await let_in(request, response, album, "see")
    return response


def _ask(request: web.Request, album_id: str, *, wrong: bool = False) -> web.Response:
    response = render(request, "album_password.html", status=401, id=album_id, wrong=wrong)
    response.headers.update({"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex"})
    return response


async def _page(request: web.Request, album: Album) -> web.Response:
    contents = request.app[ALBUMS].contents
    after = request.query.get("after", "")
    images, following = await contents.page(album, limit=PAGE, after=place_of(after, album))
    count = await contents.count(album)
    chosen, where = request.query.get("codes", ""), site(request)
    response = render(
        request,
        "album.html",
        album=album,
        images=images,
        count=count,
        site=where,
        is_open=album.privacy is Privacy.UNLISTED,
        preview=await _preview(request, album),
        size=sum(image.original.size for image in images) if count == len(images) else None,
        archive=request.app[SETTINGS].albums.zip_max > 0,
        after=after,
        following=written(following, album),
        chosen=chosen,
        codes=_codes(request, images, chosen),
        ends=album.expires and album.expires.astimezone(where.time_zone),
    )
    keep_from_caches(response, album)
    return response


async def _preview(request: web.Request, album: Album) -> StoredFile | None:
    """Returns the file that chats show for the link: of the cover, unless that is not for everybody."""
    if album.privacy is not Privacy.UNLISTED:
        return None
    cover = await request.app[ALBUMS].contents.cover(album)
    return preview(cover) if cover and not cover.nsfw else None


def _codes(request: web.Request, images: Sequence[Image], chosen: str) -> str | None:
    """Returns the codes of all pictures of this page in the format *chosen*, one a line; `None`: no such format."""
    if not any(chosen in names for names in GROUPS.values()):
        return None
    where = site(request)
    return "\n".join(code.text for image in images for code in embed_codes(image, where) if code.format == chosen)
