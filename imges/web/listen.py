"""Connections: how we listen, how long a client may take to say what it wants, and what malformed HTTP is told.

aiohttp by itself waits for headers without end, and over malformed ones quotes them in the answer and in the log: the
query string of an upload call holds the API key.
"""

import asyncio
import logging
import socket
from functools import partial
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.typedefs import Handler

from imges import metrics
from imges.errors import Internal, MalformedBody
from imges.log import request_id
from imges.web.crowd import Crowd
from imges.web.errors import error_json
from imges.web.keys import SETTINGS
from imges.web.recent import RECENT, Recent
from imges.web.request_ids import HEADER, new_id

log = logging.getLogger(__name__)

HEADERS_WITHIN = 30.0
"""Seconds from connecting, or from a further request's first byte, to the end of the headers."""

BACKLOG = 512
"""Connections that wait to be accepted, at most."""

AT_ONCE = 16
"""Connections that the loop accepts before it turns to others; where files run out, it fails as often each second."""

TOLD_EVERY = 60.0
"""Seconds from one word of files that have run out to the next."""

KEEP_ALIVE = 75.0
"""Seconds that a connection may be idle between requests: longer than proxies keep theirs, so that they close first."""


UNMET = "Expect-Unmet"
"""A header of our own: see `_expecting_what_we_do`."""

SENDS_WITHIN = 60_000
"""Milliseconds that a client may leave what we sent unread."""
READ_AHEAD = 256 * 1024
"""Bytes of a body that may wait for its handler, while connections are few: as many as come at once."""
LEAST_READ_AHEAD = 64 * 1024
READ_AHEAD_TOGETHER = 16 * 2**20
"""Bytes of all bodies that may wait: the more connections there are, the less a further one reads ahead."""


def read_ahead(connections: int) -> int:
    """Bytes for one more beside that many *connections*."""
    return max(LEAST_READ_AHEAD, min(READ_AHEAD, READ_AHEAD_TOGETHER // (connections + 1)))


class Connection(web.RequestHandler):
    """One client's connection."""

    def __init__(self, *arguments: Any, crowd: Crowd, recent: Recent, **options: Any) -> None:
        super().__init__(*arguments, read_bufsize=read_ahead(len(crowd)), **options)
        self._crowd = crowd
        self._recent = recent

    fresh = True
    """Whether it has not brought a request yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listen_for_headers()
        peer: Any = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else None
        if not self._crowd.enter(self, self._peer):
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
        waiter, self._waiter = self._waiter, None  # the handler shall not hear of what is answered here
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        for number, (message, payload) in enumerate(self._messages):
            if isinstance(message, RawRequestMessage) and "Expect" in message.headers:
                self._messages[number] = _expecting_what_we_do(message), payload
        if waiter is None or waiter.done():
            return
        if not self._messages:
            if self._patience.cancelled():  # the beginning of a further request
                self._listen_for_headers()
        elif not self._answered_from_memory():
            waiter.set_result(None)

    def _answered_from_memory(self) -> bool:
        """Whether what came was a request that could be answered on the spot."""
        if len(self._messages) > 1 or self._paused or self._keepalive_handle is None:
            return False
        message, payload = self._messages[0]
        if not isinstance(message, RawRequestMessage) or self.transport is None or self._parser is None:
            return False
        answer = self._recent.answer(message, payload, self._peer)
        if answer is None:
            return False
        self.transport.write(answer)
        self._messages.clear()
        self._parser.message_consumed()
        self.request_came()
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        return True

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
        cached: dict[str, Any] = request._cache  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        cached["version"] = HttpVersion11  # the answer's, which would be the client's, be it HTTP/2.0
        if isinstance(exc, HttpProcessingError) or status < 500:
            log.info("a malformed request: %s", type(exc).__name__)
            response = error_json(MalformedBody("this is not a well-formed HTTP request, or its address is too long"))
        else:
            log.error("a request failed outside of its handler", exc_info=exc)
            response = error_json(Internal())
        metrics.request("", "none", response.status, 0)
        response.headers.update(
            {HEADER: request_id.get() or "", "Server": "imges", "X-Content-Type-Options": "nosniff"}
        )
        response.force_close()
        return response


def _expecting_what_we_do(message: RawRequestMessage) -> RawRequestMessage:
    """*message* with an expectation that we do not know under a name that only `note_request` does, which refuses it.

    aiohttp would refuse it before any of our code sees the request, and quote it.
    """
    expected = ",".join(message.headers.getall("Expect"))
    if expected.strip().lower() == "100-continue":
        return message
    headers = message.headers.copy()
    headers.popall("Expect")
    headers[UNMET] = expected
    return message._replace(headers=type(message.headers)(headers))


@web.middleware
async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection that its client has said what it wants, in a way that all servers understand alike.

    Raises: BadHttpMessage.
    """
    if isinstance(request.protocol, Connection):
        request.protocol.request_came()
    if UNMET in request.headers:
        raise BadHttpMessage("an expectation that is not known")
    if request.method == "CONNECT":  # to us it has no body, to some proxies it has, and then that is no next request
        raise BadHttpMessage("a tunnel is asked for")
    chunked = _is_chunked(request)
    response = await handler(request)
    if chunked:
        response.force_close()
    return response


def _is_chunked(request: web.Request) -> bool:
    """Whether the body comes in chunks. Such a request is its connection's last: where the chunks end is what servers
    agree on least, and what one of them takes for the next request must not be answered.

    Raises: BadHttpMessage for what the parser lets through although a proxy may see another end of it.
    """
    codings = request.headers.getall("Transfer-Encoding", ())
    if request.version != HttpVersion11 and (codings or request.version != HttpVersion10):
        raise BadHttpMessage("not of this version of HTTP")
    if not codings:
        return False
    if [coding.lower() for coding in codings] != ["chunked"] or "Content-Length" in request.headers:
        raise BadHttpMessage("another coding than chunked")
    return True


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
            recent=self._application[RECENT],
            loop=loop,
            access_log=None,  # pyright: ignore[reportArgumentType]  # ours is the middleware's: the query string holds the key
            auto_decompress=False,  # compressed bodies are refused, never inflated
            keepalive_timeout=KEEP_ALIVE,
        )
        create = loop.create_unix_server if self._socket.family == socket.AF_UNIX else loop.create_server
        loop.set_exception_handler(Failures())
        # The loop accepts as many connections at a time as the backlog is long: one process would take them all.
        self._server = await create(connection, sock=self._socket, backlog=1 if self._shared else AT_ONCE)
        self._socket.listen(BACKLOG)


class Failures:
    """What the loop does with failures that are nobody's: log them, but of connections that cannot be accepted tell
    only now and then. The loop tries again each second, and would fill the disk with tracebacks.
    """

    def __init__(self) -> None:
        self._told = -TOLD_EVERY

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not context["message"].startswith("socket.accept()"):
            loop.default_exception_handler(context)
        elif loop.time() - self._told >= TOLD_EVERY:
            self._told = loop.time()
            log.error("no connection can be accepted (%s); let us open more files", context.get("exception"))
