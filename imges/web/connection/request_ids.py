"""An id for each request: in its lines of the log, in its answer, and in messages about faults that are ours."""

import random
import re

from aiohttp import web
from aiohttp.typedefs import Handler

from imges.log import request_id
from imges.web.connection.proxies import came_by_proxy

HEADER = "X-Request-ID"
REQUEST_ID = web.RequestKey("REQUEST_ID", str)

_SENSIBLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_id() -> str:
    """Returns a new id.

    It must be unique but need not be secret, so it does not use the system's random source, which would release the
    interpreter lock.
    """
    return f"{random.getrandbits(64):016x}"


def chosen(given: str | None, *, trusted: bool) -> str:
    """Returns the id that a trusted proxy has *given*, if it is a sensible one, else a new id."""
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
