"""Connections: how we listen, how long a client may take to say what it wants, and what malformed HTTP is told.

aiohttp by itself waits for headers without end, and over malformed ones quotes them in the answer and in the log: the
query string of an upload call holds the API key.
"""

import asyncio
import logging
import socket
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from imges import metrics
from imges.errors import Internal, MalformedBody
from imges.log import request_id
from imges.web.crowd import Crowd
from imges.web.errors import error_json
from imges.web.keys import SETTINGS
from imges.web.request_ids import HEADER, new_id

log = logging.getLogger(__name__)

HEADERS_WITHIN = 30.0
"""Seconds from connecting, or from a further request's first byte, to the end of the headers."""

BACKLOG = 512
"""Connections that wait to be accepted, at most."""

KEEP_ALIVE = 75.0
"""Seconds that a connection may be idle between requests: longer than proxies keep theirs, so that they close first."""


SENDS_WITHIN = 60_000
"""Milliseconds that a client may leave what we sent unread."""
READ_AHEAD = 64 * 1024
"""Bytes of a body that may wait for its handler."""


class Connection(web.RequestHandler):
    """One client's connection."""

    def __init__(self, *arguments: Any, crowd: Crowd, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._crowd = crowd

    fresh = True
    """Whether it has not brought a request yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listen_for_headers()
        peer: Any = transport.get_extra_info("peername")
        if not self._crowd.enter(self, str(peer[0]) if peer else None):
            self.force_close()
            return
        sock = transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SENDS_WITHIN)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._patience.cancel()
        self._crowd.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.idle and self._patience.cancelled():  # the beginning of a further request
            self._listen_for_headers()
        super().data_received(data)

    def _listen_for_headers(self) -> None:
        self._patience = asyncio.get_running_loop().call_later(HEADERS_WITHIN, self.force_close)

    def request_came(self) -> None:
        """The headers of a request are complete."""
        self.fresh = False
        self._patience.cancel()

    @property
    def idle(self) -> bool:
        """Whether it waits for a request."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def waits(self) -> bool:
        return self.fresh or self.idle

    def cut_off(self) -> asyncio.Task[None] | None:
        """Cancel the request that runs; the task ends when it is undone."""
        if self._task_handler is not None:
            self._task_handler.cancel()
        return self._task_handler

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  (it quotes the request)
    ) -> web.StreamResponse:
        """JSON, since nobody knows for which route: for an API's client anything else breaks."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        request_id.set(new_id())  # this task serves the connection alone, and the connection ends here
        if isinstance(exc, HttpProcessingError) or status < 500:
            log.info("a malformed request: %s", type(exc).__name__)
            response = error_json(MalformedBody("this is not a well-formed HTTP request, or its address is too long"))
        else:
            log.error("a request failed outside of its handler", exc_info=exc)
            response = error_json(Internal())
        metrics.request("", "none", response.status, 0)
        response.headers[HEADER] = request_id.get() or ""
        response.force_close()
        return response


@web.middleware
async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection that its client has said what it wants."""
    if isinstance(request.protocol, Connection):
        request.protocol.request_came()
    return await handler(request)


class Site(web.BaseSite):
    """*runner*'s application, served on a *bound* socket, from which other processes accept as well if *shared*."""

    def __init__(self, runner: web.AppRunner, bound: socket.socket, *, shared: bool = False) -> None:
        super().__init__(runner, backlog=BACKLOG)
        self._socket = bound
        self._shared = shared
        self._application = runner.app

    @property
    def name(self) -> str:
        return str(self._socket.getsockname())

    async def start(self) -> None:
        """Raises: OSError where nothing can listen."""
        await super().start()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None
        settings = self._application[SETTINGS]
        limits, exempt = settings.limits, settings.server.trusted_proxies
        connection = partial(
            Connection,
            server,
            crowd=Crowd(limits.connections, limits.connections_per_address, exempt),
            read_bufsize=READ_AHEAD,
            loop=loop,
            access_log=None,  # pyright: ignore[reportArgumentType]  # ours is the middleware's: the query string holds the key
            auto_decompress=False,  # compressed bodies are refused, never inflated
            keepalive_timeout=KEEP_ALIVE,
        )
        create = loop.create_unix_server if self._socket.family == socket.AF_UNIX else loop.create_server
        # The loop accepts as many connections at a time as the backlog is long: one process would take them all.
        self._server = await create(connection, sock=self._socket, backlog=1 if self._shared else BACKLOG)
        self._socket.listen(BACKLOG)
