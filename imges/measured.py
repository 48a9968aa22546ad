"""A storage as the metrics see it: every call is timed, and those that fail are counted."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from imges import metrics
from imges.storage import (
    Address,
    NewObject,
    ObjectEntry,
    ObjectStat,
    Storage,
    StorageFull,
    StorageUnavailable,
    put_all,
)

FAILURES = (StorageUnavailable, StorageFull)
"""A key that is missing, or taken, is an answer."""


class MeasuredStorage(Storage):
    """*storage* under its name in the settings, *place*."""

    Options = object

    @classmethod
    async def connect(cls, options: object) -> Self:
        raise NotImplementedError("it goes around a storage that is open")

    def __init__(self, place: str, storage: Storage) -> None:
        self._place = place
        self._storage = storage

    def _measured(self, call: str) -> AbstractContextManager[None]:
        return metrics.storage(self._place, call, FAILURES)

    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        with self._measured("put"):
            await self._storage.put(key, file, media_type=media_type, expires=expires, replace=replace)

    async def put_all(self, objects: Sequence[NewObject], begun: list[str]) -> None:
        with self._measured("put"):
            await put_all(self._storage, objects, begun)

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Timed until the first bytes are there: the rest is as quick as who reads them."""
        opened = self._storage.open(key, start=start, stop=stop)
        with self._measured("open"):
            chunks = await opened.__aenter__()
        try:
            yield chunks
        except BaseException as error:
            if not await opened.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            await opened.__aexit__(None, None, None)

    async def stat(self, key: str) -> ObjectStat:
        with self._measured("stat"):
            return await self._storage.stat(key)

    async def delete(self, key: str) -> None:
        with self._measured("delete"):
            await self._storage.delete(key)

    def scan(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        return self._storage.scan(prefix)

    async def sweep(self, older_than: timedelta) -> None:
        with self._measured("sweep"):
            await self._storage.sweep(older_than)

    def local_path(self, key: str) -> Path | None:
        return self._storage.local_path(key)

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:
        return await self._storage.url(key, expires=expires)

    async def check(self) -> None:
        with self._measured("check"):
            await self._storage.check()

    async def close(self) -> None:
        await self._storage.close()
