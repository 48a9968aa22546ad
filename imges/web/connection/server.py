"""The sockets on which the application is served, and what is logged if no connection can be accepted."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web

from imges.web.app_keys import SETTINGS
from imges.web.connection.client_connection import ANSWERS_FROM_MEMORY, ClientConnection
from imges.web.connection.connection_limits import ConnectionLimits

log = logging.getLogger(__name__)

BACKLOG = 512
"""Connections that wait to be accepted, at most."""

AT_ONCE = 16
"""Connections that the loop accepts before it does anything else. If no more files can be opened, the loop fails that
often each second.
"""

LOGGED_EVERY = 60.0
"""Seconds between two lines in the log which say that no more files can be opened."""

KEEP_ALIVE = 75.0
"""Seconds for which a connection may be idle between requests: longer than proxies keep theirs, so that they close
first.
"""


@asynccontextmanager
async def listening(
    runner: web.AppRunner, sockets: Iterable[socket.socket], *, shared: bool = False
) -> AsyncGenerator[list[asyncio.Server]]:
    """In the block, *runner*'s application is served on the bound *sockets*.

    If *shared*, other processes accept from the sockets as well. Raises `OSError` if a socket cannot listen.
    """
    asyncio.get_running_loop().set_exception_handler(LoopFailures())
    servers: list[asyncio.Server] = []
    with ExitStack() as stack:
        for each in sockets:
            server = await _listen(runner, each, shared=shared)
            stack.callback(server.close)
            servers.append(server)
        yield servers


async def _listen(runner: web.AppRunner, bound: socket.socket, *, shared: bool) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    settings = runner.app[SETTINGS]
    limits, exempt = settings.limits, settings.server.trusted_proxies
    connection = partial(
        ClientConnection,
        runner.server,
        limits=ConnectionLimits(limits.connections, limits.connections_per_address, exempt),
        from_memory=runner.app[ANSWERS_FROM_MEMORY],
        loop=loop,
        access_log=None,  # pyright: ignore[reportArgumentType]  # ours is the middleware's: the query string holds the key
        auto_decompress=False,  # compressed bodies are refused, never inflated
        keepalive_timeout=KEEP_ALIVE,
    )
    create = loop.create_unix_server if bound.family == socket.AF_UNIX else loop.create_server
    # The loop accepts as many connections at a time as the backlog is long: one process would take them all.
    server = await create(connection, sock=bound, backlog=1 if shared else AT_ONCE)
    bound.listen(BACKLOG)
    return server


class LoopFailures:
    """Logs failures that no code of ours catches.

    The loop tries to accept again each second. If no connection can be accepted, that is logged only now and then, or
    tracebacks would fill the disk.
    """

    def __init__(self) -> None:
        self._logged = -LOGGED_EVERY

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not context["message"].startswith("socket.accept()"):
            loop.default_exception_handler(context)
        elif loop.time() - self._logged >= LOGGED_EVERY:
            self._logged = loop.time()
            log.error("no connection can be accepted (%s); let us open more files", context.get("exception"))
