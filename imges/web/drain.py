"""The end of a server: what runs is finished, and nothing else begins.

aiohttp's own way drops what still comes of a body as soon as it begins to stop, so uploads on their way would wait for
it until they are too slow; and it does not know connections that were accepted a moment before.
"""

import asyncio
import logging

from aiohttp import web

from imges.web.ending import ENDING
from imges.web.listen import Connection

log = logging.getLogger(__name__)

FINISH = 25.0
"""Seconds from the first signal in which requests may finish; those that do not are cut off."""
FRESH = 1.0
"""Seconds that a connection which has not said anything yet is listened to once no more are taken."""
UNDOING = 3.0
"""Seconds in which requests that are cut off take back what they had begun."""
LOOK_EVERY = 0.02
ACCEPTING = 10
"""Turns of the loop from accepting a connection to its first request; it takes four."""


async def drain(runner: web.AppRunner, *, grace: float, hurry: asyncio.Event) -> None:
    """Finish what runs; the runner is to be cleaned up after it.

    For *grace* seconds new connections are still taken, so that a proxy sees in time that we are not ready any more.
    *hurry* cuts all of it short.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + FINISH
    runner.app[ENDING].begun = True
    await _passed(grace, hurry)
    for site in runner.sites:
        await site.stop()
    for _ in range(ACCEPTING):
        await asyncio.sleep(0)
    closed = now()
    while open_ones := _unfinished(runner, patient=now() < closed + FRESH):
        if hurry.is_set() or now() > deadline:
            await _cut_off(open_ones)
            return
        await _passed(LOOK_EVERY, hurry)


def _connections(runner: web.AppRunner) -> list[Connection]:
    server = runner.server
    return [] if server is None else [each for each in server.connections if isinstance(each, Connection)]


def _unfinished(runner: web.AppRunner, *, patient: bool) -> list[Connection]:
    """Connections that still have a request, or may have; the others are closed."""
    busy: list[Connection] = []
    for connection in _connections(runner):
        if connection.idle and not (patient and connection.fresh):
            connection.close()
        else:
            busy.append(connection)
    return busy


async def _cut_off(connections: list[Connection]) -> None:
    """End their requests; uploads are undone."""
    log.warning("%d requests are cut off", len(connections))
    tasks = [task for each in connections if (task := each.cut_off())]
    if tasks:
        await asyncio.wait(tasks, timeout=UNDOING)


async def _passed(seconds: float, hurry: asyncio.Event) -> None:
    """*seconds*, or less when there is a hurry."""
    try:
        async with asyncio.timeout(seconds):
            await hurry.wait()
    except TimeoutError:
        pass
