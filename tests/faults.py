"""A TCP proxy that breaks what passes through it."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

CONTINUE = len(b"HTTP/1.1 100 Continue\r\n\r\n")
"""Bytes that go before the answer to a request with a large body."""


@dataclass(frozen=True)
class Fault:
    """What befalls a connection when a request on it holds *on*, a regular expression.

    *up* and *down*: how many bytes of it, and of the answer, still pass (`None`: all); then the connection is reset,
    or hangs. *delay*: seconds before each piece of the answer. *answer*: what is answered in the server's stead.
    """

    on: bytes = b""
    up: int | None = None
    down: int | None = None
    then: Literal["reset", "hang"] = "reset"
    delay: float = 0
    answer: bytes | None = None


class Way:
    """The way to a server on this machine, at a port or a unix socket: go to `url`, or `port`, in its stead."""

    def __init__(self, target: int | Path) -> None:
        self.target = target
        self.rewrite: tuple[bytes, bytes] = b"", b""
        """A piece of text, and another, equally long, to send in its stead."""
        self.sent = bytearray()
        """All that was sent since the last `break_by` or `heal`."""
        self.befell = 0
        """How often the last fault came about."""
        self._fault = Fault()
        self._times = 0
        self._port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def to(cls, target: int | Path) -> AsyncGenerator[Self]:
        way = cls(target)
        await way.heal()
        try:
            yield way
        finally:
            await way.refuse()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def refuse(self) -> None:
        """Take no more connections, and end those that there are."""
        if self._server:
            self._server.close()
            self._server = None
        await self._end_all()

    async def break_by(self, fault: Fault, times: int = 10**6) -> None:
        """Let *fault* happen that many *times*. Open connections end."""
        self._fault, self._times, self.befell = fault, times, 0
        await self._end_all()

    async def heal(self) -> None:
        self._times = 0
        await self._end_all()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def struck_by(self, request: bytes) -> Fault | None:
        if self.befell >= self._times or not re.search(self._fault.on, request):
            return None
        self.befell += 1
        return self._fault

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection("127.0.0.1", self.target)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(_Connection(self, reader, writer).carry())
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _end_all(self) -> None:
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self.sent.clear()


class _Connection:
    def __init__(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._way = way
        self._reader, self._writer = reader, writer
        self._fault: Fault | None = None

    async def carry(self) -> None:
        try:
            there, onward = await self._way.connect()
            try:
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._requests(onward))
                    pumps.create_task(self._answers(there))
            finally:
                _reset(onward)
        except* OSError:  # one of the two has ended
            pass
        finally:
            _reset(self._writer)

    async def _requests(self, onward: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await self._reader.read(2**16):
            self._way.sent += data
            self._fault = self._fault or self._way.struck_by(data)
            if self._fault and self._fault.answer:
                self._writer.write(self._fault.answer)
                continue
            limit = self._fault.up if self._fault else None
            await self._pass(data.replace(*self._way.rewrite), onward, limit, passed)
            passed += len(data) if self._fault else 0
        raise ConnectionResetError

    async def _answers(self, there: asyncio.StreamReader) -> None:
        passed = 0
        while data := await there.read(2**16):
            await asyncio.sleep(self._fault.delay if self._fault else 0)
            await self._pass(data, self._writer, self._fault.down if self._fault else None, passed)
            passed += len(data) if self._fault else 0
        raise ConnectionResetError

    async def _pass(self, data: bytes, onward: asyncio.StreamWriter, limit: int | None, passed: int) -> None:
        """Write *data*, of *limit* bytes in all; *passed* were written before.

        Raises `ConnectionResetError` at the limit.
        """
        onward.write(data if limit is None else data[: limit - passed])
        await onward.drain()
        if limit is not None and passed + len(data) >= limit:
            if self._fault and self._fault.then == "hang":
                await asyncio.Event().wait()
            raise ConnectionResetError


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # it is closed already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def http_error(status: int, code: str, more: str = "") -> bytes:
    """A whole answer as S3 gives it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message>{more}</Error>"
    return (
        f"HTTP/1.1 {status} Made Up\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
