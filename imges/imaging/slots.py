"""Slots: a request gets a worker when one is free, and the memory that its picture needs.

Requests are admitted in the order in which they came, but a large file counts as having come a little later, and the
requests of a client that has half of the workers wait while others do.
"""

import asyncio
import bisect
import itertools
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from imges import metrics
from imges.bytesize import size_formatted
from imges.errors import Busy, TooLargeImage

PATIENCE = 5.0
"""Seconds that a request waits for a worker and memory before it gets `Busy`."""

LATER = 0.4 / 2**20
"""Seconds by which a file counts as having come later, for each of its bytes.

That is about what it costs to process, so that a flood of photographs keeps no screenshot waiting."""
LARGE = 4 * 2**20
"""Bytes above which a file does not count as later still: a third of the patience, so that its turn comes in time."""


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    """A request that waits; requests sort in the order of their turns."""

    due: float
    number: int
    memory: int = field(compare=False)
    client: str | None = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class Slots:
    """Slots for so many *workers*, and *memory* bytes for all of them together.

    If it *tells*, it reports to the metrics how many are in use.
    """

    def __init__(self, workers: int, memory: int, patience: float | None = None, *, tells: bool = True) -> None:
        self._tells = tells
        self._workers = self._free_workers = workers
        self._free_memory = self._memory = memory
        self._patience = PATIENCE if patience is None else patience
        self._waiting: list[_Waiting] = []
        self._of_client: Counter[str] = Counter()
        self._numbers = itertools.count()
        self._tell()

    @asynccontextmanager
    async def held(self, memory: int, size: int = 0, client: str | None = None) -> AsyncGenerator[None]:
        """Hold a worker and *memory* bytes during the block, for a file of *size* bytes that *client* has sent.

        Raises `TooLargeImage` if there is not so much memory at all, and `Busy` if it does not become free in time.
        """
        if memory > self._memory:
            found, limit = size_formatted(memory), size_formatted(self._memory)
            raise TooLargeImage(
                f"decoding the image would take {found} of memory; this site has {limit} for it (images.memory); "
                "send it smaller",
                what="memory",
                found=memory,
                limit=self._memory,
            )
        if self._waiting or not self._has_room(memory):
            await self._wait(memory, size, client)
        else:
            self._occupy(memory, client)
            self._tell()
        try:
            yield
        finally:
            self._give_back(memory, client)

    async def _wait(self, memory: int, size: int, client: str | None) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + LATER * min(size, LARGE)
        waiting = _Waiting(due, next(self._numbers), memory, client, loop.create_future())
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
                self._give_back(memory, client)
            else:
                self._waiting = [one for one in self._waiting if one is not waiting]
                self._admit()  # the request behind it may need less
            if isinstance(error, TimeoutError):
                raise Busy from error
            raise

    def _give_back(self, memory: int, client: str | None) -> None:
        if client is not None:
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]
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
        """Give slots to the requests at the front that there is room for, and report it."""
        self._let_in()
        self._tell()

    def _let_in(self) -> None:
        """Give slots to the requests at the front.

        None overtakes another, or large pictures would wait for ever. Only the requests of a client that has its share
        of the workers are passed over while others wait.
        """
        self._waiting = [one for one in self._waiting if not one.turn.cancelled()]  # its task has not noticed yet
        while self._waiting:
            first = next((one for one in self._waiting if not self._has_its_share(one.client)), self._waiting[0])
            if not self._has_room(first.memory):
                return
            self._waiting.remove(first)
            self._occupy(first.memory, first.client)
            first.turn.set_result(None)

    def _has_its_share(self, client: str | None) -> bool:
        """Whether *client* has half of the workers: pictures that take all their time must not take all workers."""
        return client is not None and self._of_client[client] >= max(1, self._workers // 2)

    def _has_room(self, memory: int) -> bool:
        return self._free_workers > 0 and memory <= self._free_memory

    def _occupy(self, memory: int, client: str | None) -> None:
        if client is not None:
            self._of_client[client] += 1
        self._free_workers -= 1
        self._free_memory -= memory


class Budget(Protocol):
    """Memory and workers of all processes of a machine, held as `Slots` are."""

    def held(self, memory: int) -> AbstractAsyncContextManager[None]: ...


class SharedSlots:
    """Slots that are free in our *own* process and in the budget of *all* processes of the machine."""

    def __init__(self, own: Slots, all_: Budget, patience: float | None = None) -> None:
        self._own = own
        self._all = all_
        self._patience = PATIENCE if patience is None else patience

    @asynccontextmanager
    async def held(self, memory: int, size: int = 0, client: str | None = None) -> AsyncGenerator[None]:
        """See `Slots.held`. The wait for both together is no longer than for one."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._patience):
                    await stack.enter_async_context(self._own.held(memory, size, client))
                    await stack.enter_async_context(self._all.held(memory))
            except TimeoutError as error:
                raise Busy from error
            yield
