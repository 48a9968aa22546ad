"""Each private name of aiohttp that we use still means what we use it for. A failure says what moved.

aiohttp promises nothing for these names, so a new version may change any of them.
"""

import ast
import asyncio
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict, CIMultiDictProxy

import imges.web
from imges.web.connection.aiohttp_connection import AiohttpConnection

USED = {
    "_waiter",
    "_messages",
    "_keepalive_handle",
    "_parser",
    "_next_keepalive_close_time",
    "_task_handler",
    "_cache",
    "_replace",
}
WEB = Path(imges.web.__file__).parent
GET = b"GET /a%20b?c HTTP/1.1\r\nHost: x\r\n\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Wire:
    """An `AiohttpConnection` whose handler waits for its first request."""

    def __init__(self) -> None:
        self.handled: list[web.BaseRequest] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.was_cancelled = False
        self.transport = Transport()
        server = web.Server(self._answer)
        self.connection = AiohttpConnection(
            server, loop=asyncio.get_running_loop(), access_log=logging.getLogger("imges.tests")
        )
        self.connection.connection_made(self.transport)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self.handled.append(request)
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return web.Response(text="handled")

    async def settle(self) -> None:
        """Give the handler its turns of the loop."""
        for _ in range(10):
            await asyncio.sleep(0)

    def private(self, name: str, use: str) -> Any:
        assert hasattr(self.connection, name), f"aiohttp's connection has no `{name}` any more. We need it to {use}."
        return getattr(self.connection, name)


@pytest_asyncio.fixture(loop_scope="session")
async def wire() -> AsyncGenerator[Wire]:
    wire = Wire()
    await wire.settle()
    yield wire
    wire.connection.connection_lost(None)
    await wire.settle()


async def test_waiter_is_what_an_idle_handler_waits_for(wire: Wire):
    waiter = wire.private("_waiter", "see whether the handler waits, and to wake it")
    assert isinstance(waiter, asyncio.Future), "`_waiter` is not the future any more that an idle handler awaits"
    assert wire.connection.idle
    wire.connection.parse(GET)
    await wire.settle()
    assert not wire.handled, "aiohttp wakes the handler some other way than by `_waiter`: `parse` must not wake it"
    wire.connection.wake_handler()
    await wire.settle()
    assert len(wire.handled) == 1, "the result of `_waiter` does not wake the handler any more"


async def test_a_busy_handler_has_no_waiter(wire: Wire):
    wire.may_answer.clear()
    wire.connection.parse(GET)
    wire.connection.wake_handler()
    await wire.settle()
    assert not wire.connection.idle, "`_waiter` is set although the handler has a request"
    wire.may_answer.set()
    await wire.settle()
    assert wire.connection.idle, "`_waiter` is not set although the handler has answered"


async def test_messages_are_the_requests_in_line(wire: Wire):
    wire.private("_messages", "read a request before the handler does")
    wire.connection.parse(GET[:20])
    assert not wire.connection.has_requests, "`_messages` has a request whose headers are not complete"
    wire.connection.parse(GET[20:])
    assert wire.connection.has_requests, "aiohttp does not put requests into `_messages` any more"
    asked = wire.connection.plain_get()
    assert asked is not None, "the messages of a plain GET have other fields, or its payload is not EMPTY_PAYLOAD"
    assert (asked.target, asked.headers["Host"]) == ("/a%20b?c", "x")


@pytest.mark.parametrize(
    "unusual",
    [
        pytest.param(GET.replace(b"GET", b"HEAD"), id="head"),
        pytest.param(GET.replace(b"1.1", b"1.0"), id="old"),
        pytest.param(GET.replace(b"Host", b"Connection: close\r\nHost"), id="last"),
        pytest.param(GET.replace(b"Host", b"Content-Length: 1\r\nHost") + b"x", id="body"),
        pytest.param(GET + GET, id="two"),
        pytest.param(b"\x16\x03\x01\r\n\r\n", id="malformed"),
    ],
)
async def test_only_a_plain_get_is_answered_without_the_handler(wire: Wire, unusual: bytes):
    wire.connection.parse(unusual)
    assert wire.connection.has_requests
    assert wire.connection.plain_get() is None


async def test_nothing_is_answered_while_the_client_does_not_read(wire: Wire):
    wire.connection.parse(GET)
    wire.connection.pause_writing()
    assert wire.connection.plain_get() is None
    wire.connection.resume_writing()
    assert wire.connection.plain_get() is not None


async def test_keepalive_handle_is_the_timer_of_a_connection_that_stays_open(wire: Wire):
    wire.private("_keepalive_handle", "see whether the connection stays open after an answer")
    wire.connection.parse(GET)
    assert wire.connection.plain_get() is not None, "`_keepalive_handle` is not set when a connection is made any more"
    wire.connection.keep_alive(False)
    assert wire.connection.plain_get() is None, "`keep_alive(False)` does not clear `_keepalive_handle` any more"


async def test_parser_counts_the_requests_that_were_taken(wire: Wire):
    parser = wire.private("_parser", "say that a request was taken from the line")
    assert hasattr(parser, "message_consumed"), "the parser has no `message_consumed` any more"
    for _ in range(100):
        wire.connection.parse(GET)
        assert wire.connection.plain_get(), "`message_consumed` frees no slot any more: the parser has stopped"
        wire.connection.answer(b"answered ")
    await wire.settle()
    assert wire.transport.sent == b"answered " * 100
    assert not wire.handled


async def test_next_keepalive_close_time_is_when_an_idle_connection_is_closed(wire: Wire):
    connection: Any = wire.connection
    wire.private("_next_keepalive_close_time", "keep a connection open that is answered from memory alone")
    assert hasattr(connection, "_process_keepalive"), "aiohttp closes idle connections in some other function"
    connection._next_keepalive_close_time = 0.0
    connection.parse(GET)
    connection.answer(b"answered")
    connection._process_keepalive()
    assert not wire.transport.is_closed, (
        "`_next_keepalive_close_time` does not put off the end of a connection any more"
    )
    left = connection._next_keepalive_close_time - asyncio.get_running_loop().time()
    assert left == pytest.approx(connection.keepalive_timeout, abs=60), "`keepalive_timeout` is not in seconds any more"
    connection._next_keepalive_close_time = 0.0
    connection._process_keepalive()
    assert wire.transport.is_closed, "`_next_keepalive_close_time` does not end an idle connection any more"


async def test_task_handler_is_the_task_of_the_handler(wire: Wire):
    wire.private("_task_handler", "cut off a request when the server ends")
    wire.may_answer.clear()
    wire.connection.parse(GET)
    wire.connection.wake_handler()
    await wire.settle()
    task = wire.connection.cut_off()
    assert task is not None, "`_task_handler` is not set while a request runs"
    await asyncio.wait([task], timeout=5)
    assert task.done(), "`_task_handler` does not end when it is cancelled"
    assert wire.was_cancelled, "to cancel `_task_handler` does not cancel the request any more"


def test_cache_of_a_request_holds_its_version():
    request = make_mocked_request("GET", "/", version=HttpVersion10)
    assert hasattr(request, "_cache"), "aiohttp's requests have no `_cache` any more. We need it to answer by HTTP/1.1."
    AiohttpConnection.answer_by_http11(request)
    assert request.version == HttpVersion11, "the version of a request is not read from its `_cache` any more"


async def test_replace_of_a_message_changes_its_headers(wire: Wire):
    wire.connection.parse(GET)
    wire.connection.replace_headers(lambda _: CIMultiDictProxy(CIMultiDict({"X-Other": "y"})))
    wire.connection.wake_handler()
    await wire.settle()
    assert dict(wire.handled[0].headers) == {"X-Other": "y"}, "a message's `_replace` does not change the headers"


def test_no_other_file_touches_a_private_name_of_aiohttp():
    of_aiohttp = {
        name
        for kind in (*web.RequestHandler.__mro__, web.Server, web.Application, web.Request, web.Response)
        for name in (*dir(kind), *getattr(kind, "__slots__", ()))
        if name.startswith("_") and not name.startswith("__")
    }
    for file in WEB.rglob("*.py"):
        used = {each.attr for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, ast.Attribute)}
        expected = USED if file.name == "aiohttp_connection.py" else set[str]()
        assert used & (of_aiohttp | USED) == expected, file
