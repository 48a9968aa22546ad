"""The delete link: GET asks, POST deletes."""

from aiohttp import web

from imges.web.app_keys import DELETING
from imges.web.pages.rendering import render


def routes() -> list[web.RouteDef]:
    address = "/image/{id}/delete/{token}"
    return [web.get(address, ask), web.post(address, delete)]


async def ask(request: web.Request) -> web.StreamResponse:
    image = await request.app[DELETING].by_token(request.match_info["id"], request.match_info["token"])
    name = image.title or image.original_filename
    return render(request, "delete.html", image=image, name=name, token=request.match_info["token"])


async def delete(request: web.Request) -> web.StreamResponse:
    """Deletes the picture. The address alone is the permission, so programs may delete without our page."""
    deleting = request.app[DELETING]
    image = await deleting.by_token(request.match_info["id"], request.match_info["token"])
    await deleting.delete(image)
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response({"status_code": 200, "success": {"message": "image deleted", "code": 200}})
    return render(request, "deleted.html", image=image, name=image.title or image.original_filename)
