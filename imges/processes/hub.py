"""The parent's end of the links: answers questions of its processes, and passes notices on."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

from limits.aio.storage import MemoryStorage

from imges.errors import Busy
from imges.imaging.slots import Slots
from imges.processes.messages import messages, packed

log = logging.getLogger(__name__)


class Hub:
    """Has the *slots* of all processes together, and counts the *hits* of client addresses."""

    def __init__(self, slots: Slots, hits: MemoryStorage) -> None:
        self.slots = slots
        self.hits = hits
        self._members: set[_Member] = set()

    async def attend(self, connection: socket.socket, on_notice: Callable[..., None]) -> None:
        """Answers the process at the other end of *connection* until that end closes.

        *on_notice* is called with the name and arguments of each notice for the parent itself. An error is logged and
        closes the connection of this process alone. The process then ends, and the parent starts another.
        """
        reader, writer = await asyncio.open_connection(sock=connection)
        member = _Member(self, writer, on_notice)
        self._members.add(member)
        try:
            async with aclosing(messages(reader)) as said:
                async for message in said:
                    member.hear(*message)
        except Exception:
            log.exception("a process sent a message that its parent does not understand")
        finally:
            self._members.discard(member)
            await member.end()

    def tell(self, name: str, *arguments: Any, but: "_Member | None" = None) -> None:
        """Sends a notice to all processes except *but*."""
        for member in self._members:
            if member is not but:
                member.send(0, name, *arguments)


class _Member:
    """One process, and the questions of it that are not answered yet."""

    def __init__(self, hub: Hub, writer: asyncio.StreamWriter, on_notice: Callable[..., None]) -> None:
        self._hub = hub
        self._writer = writer
        self._on_notice = on_notice
        self._asked: dict[int, asyncio.Task[None]] = {}

    def hear(self, number: int, name: str, *arguments: Any) -> None:
        match name:
            case "hold":
                self._begin(number, self._hold(number, *arguments))
            case "release":
                self._release(number)
            case "hit":
                self._begin(number, self._answer(number, self._hub.hits.acquire_entry(*arguments)))
            case "window":
                self._begin(number, self._answer(number, self._hub.hits.get_moving_window(*arguments)))
            case "forget" | "forget keys":
                self._hub.tell(name, *arguments, but=self)
            case _:
                self._on_notice(name, *arguments)

    def send(self, number: int, *content: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(packed([number, *content]))

    def _begin(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = self._asked[number] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._asked.pop(number))

    def _release(self, number: int) -> None:
        if task := self._asked.get(number):
            task.cancel()

    async def _hold(self, number: int, memory: int) -> None:
        """Holds a slot and *memory* bytes until the process releases them or dies."""
        try:
            async with self._hub.slots.held(memory):
                self.send(number, True)  # noqa: FBT003 (the answer)
                await asyncio.Event().wait()
        except Busy:
            self.send(number, False)  # noqa: FBT003 (the answer)

    async def _answer(self, number: int, asked: Coroutine[Any, Any, Any]) -> None:
        self.send(number, await asked)

    async def end(self) -> None:
        """Releases what the process held, and closes the connection."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
