"""An id for each request: in every line that is logged of it, in its answer, and in what it is told of our failures."""

import re
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler

from imges.log import request_id
from imges.web.proxies import came_by_proxy

HEADER = "X-Request-ID"
REQUEST_ID = web.RequestKey("REQUEST_ID", str)

_SENSIBLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_id() -> str:
    return secrets.token_hex(8)


@web.middleware
async def identify_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The id that a trusted proxy gave, else one of ours."""
    given = request.headers.get(HEADER, "")
    request[REQUEST_ID] = given if came_by_proxy(request) and _SENSIBLE.fullmatch(given) else new_id()
    token = request_id.set(request[REQUEST_ID])
    try:
        return await handler(request)
    finally:
        request_id.reset(token)
