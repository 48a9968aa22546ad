"""Storage and database of a service in this process, broken at the step that is wished for."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection

from imges.catalog.database import Database, Run
from imges.errors import CatalogUnavailable
from imges.storage import Address, ObjectEntry, ObjectStat, Storage, StorageUnavailable

T = TypeVar("T")


class Blow(StrEnum):
    """What befalls a step."""

    FAIL = "it is not done, and raises"
    LOST = "it is done, and raises"
    DIE = "the process dies before it"
    DIE_AFTER = "the process dies when it is done"
    CANCEL = "its client goes away meanwhile"


@dataclass
class Fate:
    """Counts the steps of storage and database, and strikes at one of them."""

    blow: Blow | None = None
    left: int = 0
    dead: bool = False
    """From now on nothing is done any more, by whomever."""
    struck: bool = False
    victim: asyncio.Task[Any] | None = None
    """Who goes away by `CANCEL`."""

    def arm(self, blow: Blow, left: int) -> None:
        self.blow, self.left, self.struck = blow, left, False

    def heal(self) -> None:
        self.blow = None

    async def step(self, work: Callable[[], Awaitable[T]], error: type[Exception]) -> T:
        """One of the steps."""
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
        """The step itself has begun, and comes to its end as backends promise."""
        if self.victim is None:
            return await work()
        self.victim.cancel()

        async def begun() -> T:
            for _ in range(10):  # the news has to come down from the client's task
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


class FatedStorage(Storage):
    """A storage that fails as *fate* has it."""

    Options = object

    def __init__(self, storage: Storage, fate: Fate) -> None:
        self._storage = storage
        self._fate = fate

    @classmethod
    async def connect(cls, options: Any) -> Self:
        raise NotImplementedError

    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        async def put() -> None:
            await self._storage.put(key, file, media_type=media_type, expires=expires, replace=replace)

        await self._fate.step(put, StorageUnavailable)

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

    def scan(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        return self._storage.scan(prefix)

    async def sweep(self, older_than: timedelta) -> None:
        await self._fate.step(lambda: self._storage.sweep(older_than), StorageUnavailable)

    def local_path(self, key: str) -> Path | None:
        return self._storage.local_path(key)

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:
        return await self._storage.url(key, expires=expires)

    async def check(self) -> None:
        await self._storage.check()

    async def close(self) -> None:
        await self._storage.close()


class FatedDatabase(Database):
    """A database that fails as *fate* has it; a write that raised may have been done, as the protocol says."""

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
