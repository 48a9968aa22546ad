"""The parent's end: answers what its processes ask, and passes on what they tell."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

from limits.aio.storage import MemoryStorage

from imges.errors import Busy
from imges.imaging.slots import Slots
from imges.siblings.messages import messages, packed

log = logging.getLogger(__name__)


class Hub:
    """The *slots* of all processes together, and the *counts* of hits."""

    def __init__(self, slots: Slots, counts: MemoryStorage) -> None:
        self.slots = slots
        self.counts = counts
        self._members: set[_Member] = set()

    async def attend(self, connection: socket.socket, heard: Callable[..., None]) -> None:
        """Answer the process at the other end until that end is closed; *heard* gets what is for the parent itself.

        Whatever goes wrong is logged and ends that process's connection alone, which tells it to end: another takes
        its place.
        """
        reader, writer = await asyncio.open_connection(sock=connection)
        member = _Member(self, writer, heard)
        self._members.add(member)
        try:
            async with aclosing(messages(reader)) as said:
                async for message in said:
                    member.hear(*message)
        except Exception:
            log.exception("a process said what its parent does not understand")
        finally:
            self._members.discard(member)
            await member.end()

    def tell(self, name: str, *arguments: Any, but: "_Member | None" = None) -> None:
        """A notice to all processes."""
        for member in self._members:
            if member is not but:
                member.send(0, name, *arguments)


class _Member:
    """A process, and what it is waiting for."""

    def __init__(self, hub: Hub, writer: asyncio.StreamWriter, heard: Callable[..., None]) -> None:
        self._hub = hub
        self._writer = writer
        self._heard = heard
        self._asked: dict[int, asyncio.Task[None]] = {}

    def hear(self, number: int, name: str, *arguments: Any) -> None:
        match name:
            case "hold":
                self._begin(number, self._hold(number, *arguments))
            case "release":
                if task := self._asked.get(number):
                    task.cancel()
            case "hit":
                self._begin(number, self._answer(number, self._hub.counts.acquire_entry(*arguments)))
            case "window":
                self._begin(number, self._answer(number, self._hub.counts.get_moving_window(*arguments)))
            case "forget" | "forget keys":
                self._hub.tell(name, *arguments, but=self)
            case _:
                self._heard(name, *arguments)

    def send(self, number: int, *content: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(packed([number, *content]))

    def _begin(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = self._asked[number] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._asked.pop(number))

    async def _hold(self, number: int, memory: int) -> None:
        """Until the process releases it, or dies."""
        try:
            async with self._hub.slots.held(memory):
                self.send(number, True)  # noqa: FBT003 (the answer)
                await asyncio.Event().wait()
        except Busy:
            self.send(number, False)  # noqa: FBT003 (the answer)

    async def _answer(self, number: int, asked: Coroutine[Any, Any, Any]) -> None:
        self.send(number, await asked)

    async def end(self) -> None:
        """Free what it held."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
