"""A service in this process whose storage or database breaks at a chosen step."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from imges.catalog.database import Database, Run
from imges.errors import CatalogUnavailable
from imges.storage import NewObject, ObjectStat, Storage, StorageUnavailable
from imges.storage.forwarding import ForwardingStorage

T = TypeVar("T")


class Blow(StrEnum):
    """What happens at a step."""

    FAIL = "it is not done, and raises"
    LOST = "it is done, and raises"
    DIE = "the process dies before it"
    DIE_AFTER = "the process dies when it is done"
    CANCEL = "its client goes away meanwhile"


@dataclass
class Fate:
    """Counts the steps of storage and database, and breaks one of them."""

    blow: Blow | None = None
    left: int = 0
    dead: bool = False
    """Set when no call has any effect any more."""
    struck: bool = False
    victim: asyncio.Task[Any] | None = None
    """The task of the client that `CANCEL` cancels."""

    def arm(self, blow: Blow, left: int) -> None:
        self.blow, self.left, self.struck = blow, left, False

    def heal(self) -> None:
        self.blow = None

    async def step(self, work: Callable[[], Awaitable[T]], error: type[Exception]) -> T:
        """Does one step."""
        if self.dead:
            raise error
        blow = self._due()
        if blow is None:
            return await work()
        self.struck = True
        if blow is Blow.CANCEL:
            return await self._left_by_its_client(work)
        try:
            if blow in {Blow.LOST, Blow.DIE_AFTER}:
                await work()
        finally:
            self.dead = blow in {Blow.DIE, Blow.DIE_AFTER}
        raise error

    def _due(self) -> Blow | None:
        if self.blow is None:
            return None
        self.left -= 1
        if self.left > 0:
            return None
        blow, self.blow = self.blow, None
        return blow

    async def _left_by_its_client(self, work: Callable[[], Awaitable[T]]) -> T:
        """Lets the step, which has begun, come to its end, as backends promise."""
        if self.victim is None:
            return await work()
        self.victim.cancel()

        async def begun() -> T:
            for _ in range(10):  # the cancellation has to arrive from the client's task
                await asyncio.sleep(0)
            return await work()

        running = asyncio.ensure_future(begun())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()
            raise


class FatedStorage(ForwardingStorage):
    """A storage that fails as *fate* says."""

    def __init__(self, storage: Storage, fate: Fate) -> None:
        self._storage = storage
        self._fate = fate

    @property
    def wrapped(self) -> Storage:
        return self._storage

    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        async def put() -> None:
            await self._storage.put(key, file, media_type=media_type, expires=expires, replace=replace)

        await self._fate.step(put, StorageUnavailable)

    async def put_all(self, objects: Sequence[NewObject], stored: list[str]) -> None:
        await Storage.put_all(self, objects, stored)  # each put is a step

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        async def nothing() -> None:
            pass

        await self._fate.step(nothing, StorageUnavailable)
        async with self._storage.open(key, start=start, stop=stop) as chunks:
            yield chunks

    async def stat(self, key: str) -> ObjectStat:
        return await self._fate.step(lambda: self._storage.stat(key), StorageUnavailable)

    async def delete(self, key: str) -> None:
        await self._fate.step(lambda: self._storage.delete(key), StorageUnavailable)

    async def sweep(self, older_than: timedelta) -> None:
        await self._fate.step(lambda: self._storage.sweep(older_than), StorageUnavailable)


class FatedDatabase(Database):
    """A database that fails as *fate* says. A write that raised may have been done: the protocol allows that."""

    def __init__(self, database: Database, fate: Fate) -> None:
        self._database = database
        self._fate = fate

    async def prepare(self, *, upgrade: bool = False) -> None:
        await self._database.prepare(upgrade=upgrade)

    async def write(self, work: Callable[[Connection], T]) -> T:
        return await self._fate.step(lambda: self._database.write(work), CatalogUnavailable)

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._fate.step(lambda: self._database.read(work), CatalogUnavailable)

    def long_transaction(self) -> AbstractAsyncContextManager[Run]:
        return self._database.long_transaction()

    async def close(self) -> None:
        await self._database.close()
