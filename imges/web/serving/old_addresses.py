"""Old addresses of imported hosts, answered in place: asked wherever a GET or HEAD would end in 404.

A picture is answered as at its own address, not redirected: mail programs, proxies of forums and readers of feeds
follow redirects badly. A page is a redirect to the viewer.
"""

from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler

from imges.errors import ImgesError
from imges.web.app_keys import OLD_ADDRESSES
from imges.web.serving.objects import send_object


@web.middleware
async def or_old_address(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers as *handler* does; if that is 404, as the old address does that the request asks for."""
    try:
        return await handler(request)
    except (ImgesError, web.HTTPNotFound) as error:
        if error.status != 404 or request.method not in {"GET", "HEAD"}:
            raise
        answer = await answer_old_address(request)
        if answer is None:
            raise
        return answer


async def answer_old_address(request: web.Request) -> web.StreamResponse | None:
    """Returns the answer of the old address that the request asks for; `None` if it is none.

    Raises `Gone`, and what `send_object` raises.
    """
    shown = await request.app[OLD_ADDRESSES].find(request.path)
    if shown is None:
        return None
    if shown.key is None:
        return web.Response(status=301, headers={"Location": f"/image/{quote(shown.id)}", "Cache-Control": "no-cache"})
    return await send_object(request, shown.key)
