"""A process's end of its link to the parent."""

import asyncio
import itertools
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self

from imges.errors import Busy
from imges.processes.messages import messages, packed

log = logging.getLogger(__name__)


class Link:
    """Asks the parent and exchanges notices with it. Opened with `Link.open`.

    If the parent dies, the listener of `orphaned` is called, and every question raises `Busy`.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._listeners: dict[str, Callable[..., None]] = {}
        self._ended = False

    @classmethod
    @asynccontextmanager
    async def open(cls, connection: socket.socket) -> AsyncGenerator[Self]:
        reader, writer = await asyncio.open_connection(sock=connection)
        link = cls(writer)
        reading = asyncio.create_task(link._read(reader))
        try:
            yield link
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            writer.close()

    def on(self, name: str, listener: Callable[..., None]) -> None:
        """Calls *listener* with the arguments of each notice *name*."""
        self._listeners[name] = listener

    def tell(self, name: str, *arguments: Any) -> None:
        """Sends a notice."""
        self._send(0, name, *arguments)

    async def ask(self, name: str, *arguments: Any) -> Any:
        """Sends a question and returns its answer. Raises `Busy` if the parent is gone."""
        number = next(self._numbers)
        try:
            return await self._put(number, name, *arguments)
        finally:
            self._asked.pop(number, None)

    @asynccontextmanager
    async def held(self, memory: int) -> AsyncGenerator[None]:
        """Holds one slot and *memory* bytes of those that all processes share, like `Slots.held`.

        Raises `Busy` if the parent refuses or is gone.
        """
        number = next(self._numbers)
        try:
            if not await self._put(number, "hold", memory):
                raise Busy
            yield
        finally:
            self._asked.pop(number, None)
            self._send(number, "release")

    def _put(self, number: int, name: str, *arguments: Any) -> asyncio.Future[Any]:
        if self._ended:
            raise Busy
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send(number, name, *arguments)
        return future

    def _send(self, *content: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(packed(content))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            async with aclosing(messages(reader)) as said:
                async for message in said:
                    self._hear(*message)
        except Exception:
            log.exception("this process does not understand a message of its parent, and ends")
        self._ended = True
        for future in self._asked.values():
            if not future.done():
                future.set_exception(Busy())
        self._hear(0, "orphaned")

    def _hear(self, number: int, *content: Any) -> None:
        if number:
            future = self._asked.get(number)
            if future and not future.done():
                future.set_result(content[0])
        elif listener := self._listeners.get(content[0]):
            listener(*content[1:])
