"""Who may use a worker: admitted by what is free of two things, workers and memory, in the order of arrival."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from imges import metrics
from imges.errors import Busy, TooLargeImage

PATIENCE = 5.0
"""Seconds that a request waits for a worker and memory before it is told that the server is busy."""


class Slots:
    """*workers* places and *memory* bytes for all of them together; *tells*: how they stand is told to Prometheus."""

    def __init__(self, workers: int, memory: int, patience: float = PATIENCE, *, tells: bool = True) -> None:
        self._tells = tells
        self._workers = self._free_workers = workers
        self._free_memory = self._memory = memory
        self._patience = patience
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._tell()

    @asynccontextmanager
    async def held(self, memory: int) -> AsyncGenerator[None]:
        """A worker and *memory* bytes for the time of the block.

        Raises: TooLargeImage for more than there is at all, Busy where they do not get free in time.
        """
        if memory > self._memory:
            raise TooLargeImage("the image would take more memory than this site gives to one; send it smaller")
        await self._take(memory)
        try:
            yield
        finally:
            self._give_back(memory)

    async def _take(self, memory: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((memory, turn))
        self._admit()
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give_back(memory)
            else:
                self._waiting = deque(waiting for waiting in self._waiting if waiting[1] is not turn)
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
            memory, turn = self._waiting[0]
            if turn.cancelled():  # and its task has not noticed yet
                self._waiting.popleft()
                continue
            if self._free_workers < 1 or memory > self._free_memory:
                return
            self._waiting.popleft()
            self._free_workers -= 1
            self._free_memory -= memory
            turn.set_result(None)


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
    async def held(self, memory: int) -> AsyncGenerator[None]:
        """See `Slots.held`; the wait for both is no longer than for one."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._patience):
                    await stack.enter_async_context(self._own.held(memory))
                    await stack.enter_async_context(self._all.held(memory))
            except TimeoutError as error:
                raise Busy from error
            yield
