"""An id for each request: in every line that is logged of it, in its answer, and in what it is told of our failures."""

import random
import re

from aiohttp import web
from aiohttp.typedefs import Handler

from imges.log import request_id
from imges.web.proxies import came_by_proxy

HEADER = "X-Request-ID"
REQUEST_ID = web.RequestKey("REQUEST_ID", str)

_SENSIBLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_id() -> str:
    """Told apart from others it has to be, not secret; to ask the system for chance would let other threads run."""
    return f"{random.getrandbits(64):016x}"


def chosen(given: str | None, *, trusted: bool) -> str:
    """The id that a trusted proxy has *given*, else one of ours."""
    return given if given and trusted and _SENSIBLE.fullmatch(given) else new_id()


@web.middleware
async def identify_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    given = request.headers.get(HEADER)
    request[REQUEST_ID] = chosen(given, trusted=given is not None and came_by_proxy(request))
    token = request_id.set(request[REQUEST_ID])
    try:
        return await handler(request)
    finally:
        request_id.reset(token)
