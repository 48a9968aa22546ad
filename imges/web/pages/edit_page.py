"""The page that edits a picture. Its address has the delete token, so a client that may delete may edit."""

from aiohttp import web

from imges.catalog.types import Image
from imges.errors import BadParameter
from imges.web.api.own_api import fields_of
from imges.web.api.upload_options import changes_in
from imges.web.app_keys import CHANGING, DELETING, SETTINGS
from imges.web.pages.rendering import render
from imges.web.pages.upload_page import lifetimes

LEAVE = "leave"
"""The value of `expiration` that changes nothing."""


def routes() -> list[web.RouteDef]:
    address = "/image/{id}/edit/{token}"
    return [web.get(address, ask), web.post(address, edit)]


async def ask(request: web.Request) -> web.StreamResponse:
    return _page(request, await _image(request))


async def _image(request: web.Request) -> Image:
    return await request.app[DELETING].by_token(request.match_info["id"], request.match_info["token"])


async def edit(request: web.Request) -> web.StreamResponse:
    """Stores the form and shows the picture. A browser sends nothing for a box that is not ticked."""
    image = await _image(request)
    fields = {"nsfw": "0"} | await fields_of(request)
    if fields.get("expiration") == LEAVE:
        del fields["expiration"]
    try:
        edited = await request.app[CHANGING].edit(image, changes_in(fields))
    except BadParameter as error:
        return _page(request, image, status=error.status, problem=error.message)
    return web.Response(status=303, headers={"Location": f"/image/{edited.id}", "Cache-Control": "no-store"})


def _page(request: web.Request, image: Image, *, status: int = 200, problem: str | None = None) -> web.Response:
    settings = request.app[SETTINGS]
    return render(
        request,
        "edit.html",
        status=status,
        image=image,
        name=image.title or image.original_filename,
        token=request.match_info["token"],
        lifetimes=lifetimes(settings),
        may_stay=settings.images.expire.max is None,
        problem=problem,
    )
