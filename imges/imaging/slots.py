"""Who may use a worker: admitted by what is free of two things, workers and memory.

In the order of arrival, but small files count as having come a little earlier.
"""

import asyncio
import bisect
import itertools
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from imges import metrics
from imges.errors import Busy, TooLargeImage

PATIENCE = 5.0
"""Seconds that a request waits for a worker and memory before it is told that the server is busy."""

LATER = 0.4 / 2**20
"""Seconds for each byte of a file by which smaller ones that come later may pass it: about what it costs, and a flood
of photographs keeps no screenshot waiting."""
LARGE = 4 * 2**20
"""Bytes from which on a file is passed no longer: a third of the patience, so that who waits for long is next."""


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    """Who waits, in the order of their turns."""

    due: float
    number: int
    memory: int = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class Slots:
    """*workers* places and *memory* bytes for all of them together; *tells*: how they stand is told to Prometheus."""

    def __init__(self, workers: int, memory: int, patience: float = PATIENCE, *, tells: bool = True) -> None:
        self._tells = tells
        self._workers = self._free_workers = workers
        self._free_memory = self._memory = memory
        self._patience = patience
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._tell()

    @asynccontextmanager
    async def held(self, memory: int, size: int = 0) -> AsyncGenerator[None]:
        """A worker and *memory* bytes for the time of the block; for a file of *size* bytes.

        Raises: TooLargeImage for more than there is at all, Busy where they do not get free in time.
        """
        if memory > self._memory:
            raise TooLargeImage("the image would take more memory than this site gives to one; send it smaller")
        if self._waiting or not self._has_room(memory):
            await self._wait(memory, size)
        else:
            self._occupy(memory)
            self._tell()
        try:
            yield
        finally:
            self._give_back(memory)

    async def _wait(self, memory: int, size: int) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + LATER * min(size, LARGE)
        waiting = _Waiting(due, next(self._numbers), memory, loop.create_future())
        bisect.insort(self._waiting, waiting)
        self._admit()
        turn = waiting.turn
        if turn.done():
            return
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give_back(memory)
            else:
                self._waiting = [one for one in self._waiting if one is not waiting]
                self._admit()  # who stood behind may need less
            if isinstance(error, TimeoutError):
                raise Busy from error
            raise

    def _give_back(self, memory: int) -> None:
        self._free_workers += 1
        self._free_memory += memory
        self._admit()

    def _tell(self) -> None:
        if not self._tells:
            return
        metrics.decoders(
            limit=self._workers,
            busy=self._workers - self._free_workers,
            waiting=len(self._waiting),
            memory_limit=self._memory,
            memory=self._memory - self._free_memory,
        )

    def _admit(self) -> None:
        """Let in whom there is room for."""
        self._let_in()
        self._tell()

    def _let_in(self) -> None:
        """Let in whom there is room for, from the front; nobody overtakes, or large pictures would wait for ever."""
        while self._waiting:
            first = self._waiting[0]
            if first.turn.cancelled():  # and its task has not noticed yet
                del self._waiting[0]
                continue
            if not self._has_room(first.memory):
                return
            del self._waiting[0]
            self._occupy(first.memory)
            first.turn.set_result(None)

    def _has_room(self, memory: int) -> bool:
        return self._free_workers > 0 and memory <= self._free_memory

    def _occupy(self, memory: int) -> None:
        self._free_workers -= 1
        self._free_memory -= memory


class Budget(Protocol):
    """Something that is held as `Slots` are."""

    def held(self, memory: int) -> AbstractAsyncContextManager[None]: ...


class SharedSlots:
    """Slots of our *own* of a budget for *all* processes of the machine."""

    def __init__(self, own: Slots, all_: Budget, patience: float = PATIENCE) -> None:
        self._own = own
        self._all = all_
        self._patience = patience

    @asynccontextmanager
    async def held(self, memory: int, size: int = 0) -> AsyncGenerator[None]:
        """See `Slots.held`; the wait for both is no longer than for one."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._patience):
                    await stack.enter_async_context(self._own.held(memory, size))
                    await stack.enter_async_context(self._all.held(memory))
            except TimeoutError as error:
                raise Busy from error
            yield
