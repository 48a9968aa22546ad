"""`/healthz`: the process runs. `/readyz`: it can take a picture now. `/metrics`: what it has counted."""

import asyncio
import logging

from aiohttp import web

from imges import metrics
from imges.access.disk import free_bytes
from imges.errors import ImgesError, MetricsRefused
from imges.web.app_keys import HEALTH, INTAKE, SETTINGS
from imges.web.connection.proxies import client_is_trusted
from imges.web.connection.shutdown import SHUTDOWN

log = logging.getLogger(__name__)

FRESH = {"Cache-Control": "no-store"}


def routes() -> list[web.RouteDef]:
    return [web.get("/healthz", process), web.get("/readyz", ready), web.get("/metrics", counted)]


async def process(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n", headers=FRESH)


async def ready(request: web.Request) -> web.StreamResponse:
    """Answers 200, or 503 with the parts that are out of reach and why.

    A storage that takes no new pictures is named too, but the answer stays 200.
    """
    if request.app[SHUTDOWN].begun:
        reasons = {"server": "it is about to stop"}
        return web.json_response({"ready": False, "reasons": reasons}, status=503, headers=FRESH)
    problems, spool = await asyncio.gather(request.app[HEALTH].problems(), _spool_problem(request))
    vital = problems.vital | spool
    for part, reason in (vital | problems.old_pictures).items():
        log.warning("not ready: %s: %s", part, reason)
    if vital:
        reasons = vital | problems.old_pictures
        return web.json_response({"ready": False, "reasons": reasons}, status=503, headers=FRESH)
    failing = {"failing": problems.old_pictures} if problems.old_pictures else {}
    return web.json_response({"ready": True} | failing, headers=FRESH)


async def _spool_problem(request: web.Request) -> dict[str, str]:
    try:
        await request.app[INTAKE].spool.check()
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
