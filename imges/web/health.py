"""Whether the process runs, and whether it could take a picture right now."""

import logging

from aiohttp import web

from imges.errors import ImgesError
from imges.web.keys import SERVICE

log = logging.getLogger(__name__)


def routes() -> list[web.RouteDef]:
    return [web.get("/healthz", process), web.get("/readyz", ready)]


async def process(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n", headers={"Cache-Control": "no-store"})


async def ready(request: web.Request) -> web.StreamResponse:
    """200, or 503 with what is out of reach."""
    try:
        await request.app[SERVICE].check()
    except ImgesError as error:
        log.warning("not ready: %s", error, exc_info=error.__cause__)
        answer = {"ready": False, "reason": error.message}
        return web.json_response(answer, status=503, headers={"Cache-Control": "no-store"})
    return web.json_response({"ready": True}, headers={"Cache-Control": "no-store"})
