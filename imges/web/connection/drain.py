"""The end of a server: requests that run are finished, and no other begins.

aiohttp's own shutdown drops the rest of a body as soon as it begins, so an upload on its way would wait for that rest
until it is refused as too slow. It also does not know connections that were accepted a moment before.
"""

import asyncio
import logging
from collections.abc import Iterable

from aiohttp import web

from imges.web.connection.client_connection import ClientConnection
from imges.web.connection.shutdown import SHUTDOWN

log = logging.getLogger(__name__)

FINISH = 25.0
"""Seconds after the first signal in which requests may finish. Those that have not finished then are cut off."""
FRESH = 1.0
"""Seconds in which a connection that has not brought a request may still bring one, after the last was accepted."""
UNDOING = 3.0
"""Seconds in which requests that are cut off undo what they had begun."""
CHECK_EVERY = 0.02
ACCEPTING = 10
"""Turns of the loop from accepting a connection to its first request; it takes four."""


async def drain(
    runner: web.AppRunner, servers: Iterable[asyncio.Server], *, grace: float, hurry: asyncio.Event
) -> None:
    """Finish the requests that run. The caller cleans the runner up afterwards.

    For *grace* seconds the *servers* still accept connections, so that a proxy sees in time that we are not ready any
    more. *hurry* cuts all of it short.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + FINISH
    runner.app[SHUTDOWN].begun = True
    await _passed(grace, hurry)
    for server in servers:
        server.close()
    for _ in range(ACCEPTING):
        await asyncio.sleep(0)
    closed = now()
    while open_ones := _unfinished(runner, patient=now() < closed + FRESH):
        if hurry.is_set() or now() > deadline:
            await _cut_off(open_ones)
            return
        await _passed(CHECK_EVERY, hurry)


def _connections(runner: web.AppRunner) -> list[ClientConnection]:
    server = runner.server
    return [] if server is None else [each for each in server.connections if isinstance(each, ClientConnection)]


def _unfinished(runner: web.AppRunner, *, patient: bool) -> list[ClientConnection]:
    """Returns the connections that have, or may still bring, a request. Closes the others."""
    busy: list[ClientConnection] = []
    for connection in _connections(runner):
        if connection.idle and not (patient and connection.fresh):
            connection.close()
        else:
            busy.append(connection)
    return busy


async def _cut_off(connections: list[ClientConnection]) -> None:
    """Cancel the requests of *connections*; uploads are undone."""
    log.warning("%d requests are cut off", len(connections))
    tasks = [task for each in connections if (task := each.cut_off())]
    if tasks:
        await asyncio.wait(tasks, timeout=UNDOING)


async def _passed(seconds: float, hurry: asyncio.Event) -> None:
    """Wait for *seconds*, or until *hurry* is set."""
    try:
        async with asyncio.timeout(seconds):
            await hurry.wait()
    except TimeoutError:
        pass
