"""`/healthz`: the process runs. `/readyz`: it can serve and store pictures. `/metrics`: what it has counted."""

import asyncio
import logging

from aiohttp import web

from imges import metrics
from imges.access.disk import free_bytes
from imges.errors import ImgesError, MetricsRefused
from imges.web.app_keys import ACCESS, HEALTH, INTAKE, SETTINGS
from imges.web.connection.proxies import client_is_trusted
from imges.web.connection.shutdown import SHUTDOWN

log = logging.getLogger(__name__)

FRESH = {"Cache-Control": "no-store"}


def routes() -> list[web.RouteDef]:
    return [web.get("/healthz", process), web.get("/readyz", ready), web.get("/metrics", counted)]


async def process(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n", headers=FRESH)


async def ready(request: web.Request) -> web.StreamResponse:
    """Answers 200 while pictures can be served, else 503, with the parts that are out of reach and why.

    If no picture can be stored, `uploads` is false. With `?uploads` the status is 503 then, for proxies that send
    uploads elsewhere. A storage of old pictures that fails is named, and changes nothing.
    """
    if request.app[SHUTDOWN].begun:
        reasons = {"server": "it is about to stop"}
        return web.json_response({"ready": False, "reasons": reasons}, status=503, headers=FRESH)
    problems, spool = await asyncio.gather(request.app[HEALTH].problems(), _spool_problem(request))
    uploads = problems.uploads | spool
    reasons = problems.vital | uploads
    for part, reason in (reasons | problems.old_pictures).items():
        log.warning("not ready: %s: %s", part, reason)
    told: dict[str, object] = {"ready": not problems.vital}
    if problems.vital:
        return web.json_response(told | {"reasons": reasons | problems.old_pictures}, status=503, headers=FRESH)
    if problems.old_pictures:
        told["failing"] = problems.old_pictures
    if uploads:
        told |= {"uploads": False, "reasons": uploads}
    return web.json_response(told, status=503 if uploads and "uploads" in request.query else 200, headers=FRESH)


async def _spool_problem(request: web.Request) -> dict[str, str]:
    try:
        await request.app[INTAKE].spool.check()
        await request.app[ACCESS].check_room()
    except ImgesError as error:
        log.info("a check failed", exc_info=error)
        return {"spool": error.message}
    return {}


async def counted(request: web.Request) -> web.StreamResponse:
    """Answers in Prometheus's text format. Raises `MetricsRefused` if the client may not read metrics."""
    if not client_is_trusted(request):
        raise MetricsRefused
    text = await asyncio.to_thread(_counted, request)
    return web.Response(body=text, headers=FRESH | {"Content-Type": metrics.CONTENT_TYPE})


def _counted(request: web.Request) -> bytes:
    metrics.disk_free(free_bytes(request.app[SETTINGS].data_dir))
    return metrics.text()
