"""One client's connection: how long it may take to send headers, and what malformed HTTP is answered.

aiohttp by itself waits for headers without end. It quotes malformed ones in the answer and in the log, although the
query string of an upload call holds the API key.
"""

import asyncio
import logging
import socket
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from imges import metrics
from imges.errors import Internal, MalformedBody
from imges.log import request_id
from imges.web.api_errors import error_json
from imges.web.connection.aiohttp_connection import AiohttpConnection, PlainGet
from imges.web.connection.connection_limits import ConnectionLimits
from imges.web.connection.request_framing import check_framing, is_last, rename_unknown_expectation
from imges.web.connection.request_ids import HEADER, new_id

log = logging.getLogger(__name__)

HEADERS_WITHIN = 30.0
"""Seconds from connecting, or from a further request's first byte, to the end of the headers."""
SENDS_WITHIN = 60_000
"""Milliseconds for which a client may leave unread what we sent."""
READ_AHEAD = 256 * 1024
"""Bytes of a body that may wait for its handler while there are few connections: as many as one read brings."""
LEAST_READ_AHEAD = 64 * 1024
DROPPED = 2**20
"""Bytes of a body without an announced length that are read and dropped after its answer, so that the client sees the
answer. aiohttp itself drops what comes within ten seconds.
"""
READ_AHEAD_TOGETHER = 16 * 2**20
"""Bytes of all bodies together that may wait. The more connections are open, the less each new one reads ahead."""


class AnswersFromMemory(Protocol):
    """What answers a request before aiohttp makes a request object of it."""

    def answer(self, asked: PlainGet, peer: str | None) -> bytes | None:
        """Returns the whole answer to what *peer* asked, or `None` if the application has to answer."""
        ...


ANSWERS_FROM_MEMORY = web.AppKey("ANSWERS_FROM_MEMORY", AnswersFromMemory)


def read_ahead(connections: int) -> int:
    """Returns how many bytes one more connection reads ahead, if there are that many *connections* already."""
    return max(LEAST_READ_AHEAD, min(READ_AHEAD, READ_AHEAD_TOGETHER // (connections + 1)))


class ClientConnection(AiohttpConnection):
    """One client's connection."""

    def __init__(
        self, *arguments: Any, limits: ConnectionLimits, from_memory: AnswersFromMemory, **options: Any
    ) -> None:
        super().__init__(*arguments, read_bufsize=read_ahead(len(limits)), **options)
        self._limits = limits
        self._from_memory = from_memory

    _dropping: int | None = None
    """Bytes that may still be dropped of a body whose answer is made; `None` if it was read or has a length."""
    fresh = True
    """Whether it has not brought a request yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._limit_headers()
        peer: Any = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else None
        if not self._limits.admit(self, self._peer):
            self.force_close()
            return
        sock = transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SENDS_WITHIN)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._headers_timer.cancel()
        self._limits.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._dropping is not None:
            self._dropping -= len(data)
            if self._dropping < 0:
                self.force_close()
                return
        self.parse(data)
        self.replace_headers(rename_unknown_expectation)
        if not self.idle:
            return
        if self.has_requests:
            if not self._answered_from_memory():
                self.wake_handler()
        elif self._headers_timer.cancelled():  # the beginning of a further request
            self._limit_headers()

    def _answered_from_memory(self) -> bool:
        asked = self.plain_get()
        content = None if asked is None else self._from_memory.answer(asked, self._peer)
        if content is None:
            return False
        self.answer(content)
        self.request_came()
        return True

    def _limit_headers(self) -> None:
        self._headers_timer = asyncio.get_running_loop().call_later(HEADERS_WITHIN, self.force_close)

    def request_came(self) -> None:
        """Note that the headers of a request are complete."""
        self.fresh = False
        self._dropping = None
        self._headers_timer.cancel()

    def answered(self, request: web.BaseRequest) -> None:
        """Note that the answer to *request* is made. What then still comes of its body is not read by any handler."""
        if request.content_length is None and not request.content.is_eof():
            self._dropping = DROPPED

    @property
    def waits(self) -> bool:
        """Whether no request is on its way: if the connection is closed, nobody loses anything."""
        return self.fresh or self.idle

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  (it quotes the request)
    ) -> web.StreamResponse:
        """Answers in JSON on every route: the route is not known, and an API's client cannot read anything else."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        request_id.set(new_id())  # this task serves the connection alone, and the connection ends here
        self.answer_by_http11(request)
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


@web.middleware
async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells the connection that the headers are complete.

    Raises `BadHttpMessage` if a proxy may see another end of the request than we do.
    """
    if isinstance(request.protocol, ClientConnection):
        request.protocol.request_came()
    check_framing(request)
    response = await handler(request)
    if isinstance(request.protocol, ClientConnection):
        request.protocol.answered(request)
    if is_last(request):
        response.force_close()
    return response
