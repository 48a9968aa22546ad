"""Whether the process runs, whether it could take a picture right now, and what it has counted."""

import asyncio
import logging

from aiohttp import web

from imges import metrics
from imges.access import free_bytes
from imges.errors import ImgesError, MetricsRefused
from imges.web.ending import ENDING
from imges.web.keys import INTAKE, SERVICE, SETTINGS
from imges.web.proxies import client_is_trusted

log = logging.getLogger(__name__)

FRESH = {"Cache-Control": "no-store"}


def routes() -> list[web.RouteDef]:
    return [web.get("/healthz", process), web.get("/readyz", ready), web.get("/metrics", counted)]


async def process(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n", headers=FRESH)


async def ready(request: web.Request) -> web.StreamResponse:
    """200, or 503 with what is out of reach and why.

    A storage that only holds old pictures is told too, but keeps no new ones off: the answer stays 200.
    """
    if request.app[ENDING].begun:
        reasons = {"server": "it is about to stop"}
        return web.json_response({"ready": False, "reasons": reasons}, status=503, headers=FRESH)
    problems, spool = await asyncio.gather(request.app[SERVICE].problems(), _spool_problem(request))
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
    """Prometheus's text, for the operator's own machines. Raises: MetricsRefused."""
    if not client_is_trusted(request):
        raise MetricsRefused
    text = await asyncio.to_thread(_counted, request)
    return web.Response(body=text, headers=FRESH | {"Content-Type": metrics.CONTENT_TYPE})


def _counted(request: web.Request) -> bytes:
    metrics.disk_free(free_bytes(request.app[SETTINGS].data_dir))
    return metrics.text()
