"""aiohttp's part of a connection: the only file that touches aiohttp's private state.

`AiohttpConnection` gives that state public names, for `ClientConnection` alone. For each private name a test in
`tests/web/connection/test_aiohttp_connection.py` says what moved when aiohttp changes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import EMPTY_PAYLOAD, HttpVersion11, web
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDictProxy

Headers = CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True)
class PlainGet:
    """A GET over HTTP/1.1 that has no body and leaves the connection open."""

    target: str
    """The path and the query as they came, with their escapes."""
    headers: Headers


class AiohttpConnection(web.RequestHandler):
    """aiohttp's connection. Its task, the handler, takes one request after the other from a line."""

    def parse(self, data: bytes) -> None:
        """Parse *data*. Complete requests stand in line until `wake_handler` is called.

        aiohttp's own `data_received` wakes the handler at once, so nothing could be answered without it.
        """
        waiter, self._waiter = self._waiter, None
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter

    @property
    def idle(self) -> bool:
        """Whether the handler waits for a request."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def has_requests(self) -> bool:
        """Whether requests, malformed ones included, stand in line."""
        return bool(self._messages)

    def wake_handler(self) -> None:
        """Let the handler, which is `idle`, take the first request in line."""
        if self._waiter is not None:
            self._waiter.set_result(None)

    def replace_headers(self, replaced: Callable[[Headers], Headers]) -> None:
        """Give each request in line the headers that *replaced* makes of its own."""
        for number, (message, payload) in enumerate(self._messages):
            if isinstance(message, RawRequestMessage):
                headers = replaced(message.headers)
                if headers is not message.headers:
                    self._messages[number] = message._replace(headers=headers), payload

    def plain_get(self) -> PlainGet | None:
        """Returns the only request in line, if it is one that `answer` can answer now; else `None`."""
        can_write = self.transport is not None and not self.writing_paused
        if len(self._messages) != 1 or not can_write or self._keepalive_handle is None:
            return None
        message, payload = self._messages[0]
        if not isinstance(message, RawRequestMessage) or payload is not EMPTY_PAYLOAD:
            return None
        if message.method != "GET" or message.version != HttpVersion11 or message.should_close:
            return None
        return PlainGet(message.path, message.headers)

    def answer(self, content: bytes) -> None:
        """Send *content* as the whole answer to the request that `plain_get` returned; the handler never sees it."""
        assert self.transport is not None
        assert self._parser is not None
        self.transport.write(content)
        self._messages.clear()
        self._parser.message_consumed()
        self._next_keepalive_close_time = asyncio.get_running_loop().time() + self.keepalive_timeout

    def cut_off(self) -> asyncio.Task[None] | None:
        """Cancel the handler. Returns its task, which ends when the request is undone; `None` if it has ended."""
        if self._task_handler is not None:
            self._task_handler.cancel()
        return self._task_handler

    @staticmethod
    def answer_by_http11(request: web.BaseRequest) -> None:
        """Give the answer to *request* the version HTTP/1.1. It would have the client's, even if that is HTTP/2.0."""
        cached: dict[str, Any] = request._cache  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        cached["version"] = HttpVersion11
