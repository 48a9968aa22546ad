"""The delete link: GET asks, POST deletes."""

from aiohttp import web

from imges.web.keys import SERVICE
from imges.web.pages import render


def routes() -> list[web.RouteDef]:
    address = "/image/{id}/delete/{token}"
    return [web.get(address, ask), web.post(address, delete)]


async def ask(request: web.Request) -> web.StreamResponse:
    image = await request.app[SERVICE].by_token(request.match_info["id"], request.match_info["token"])
    return render(request, "delete.html", image=image, name=image.title or image.original_filename)


async def delete(request: web.Request) -> web.StreamResponse:
    """The address alone is enough: whoever has it may delete, also without our page."""
    service = request.app[SERVICE]
    image = await service.by_token(request.match_info["id"], request.match_info["token"])
    await service.delete(image)
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response({"status_code": 200, "success": {"message": "image deleted", "code": 200}})
    return render(request, "deleted.html", image=image, name=image.title or image.original_filename)
