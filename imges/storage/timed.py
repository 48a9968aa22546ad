"""A storage as the metrics see it: every call is timed, and failed calls are counted."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from imges import metrics
from imges.storage.errors import StorageFull, StorageUnavailable
from imges.storage.forwarding import ForwardingStorage
from imges.storage.objects import NewObject, ObjectStat
from imges.storage.protocol import Storage

FAILURES = (StorageUnavailable, StorageFull)
"""The errors that count as failures. That a key is missing, or taken, is an answer."""


class TimedStorage(ForwardingStorage):
    """Wraps *storage*; *place* is its name in the settings and in the metrics."""

    def __init__(self, place: str, storage: Storage) -> None:
        self._place = place
        self._storage = storage

    @property
    def wrapped(self) -> Storage:
        return self._storage

    def _timed(self, call: str) -> AbstractContextManager[None]:
        return metrics.storage(self._place, call, FAILURES)

    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        with self._timed("put"):
            await super().put(key, file, media_type=media_type, expires=expires, replace=replace)

    async def put_all(self, objects: Sequence[NewObject], stored: list[str]) -> None:
        """Counts as one `put`, however many objects there are."""
        with self._timed("put"):
            await super().put_all(objects, stored)

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Timed until the object is open: how long its bytes take then depends on the client that reads them."""
        async with AsyncExitStack() as opened:
            with self._timed("open"):
                chunks = await opened.enter_async_context(super().open(key, start=start, stop=stop))
            yield chunks

    async def stat(self, key: str) -> ObjectStat:
        with self._timed("stat"):
            return await super().stat(key)

    async def delete(self, key: str) -> None:
        with self._timed("delete"):
            await super().delete(key)

    async def sweep(self, older_than: timedelta) -> None:
        with self._timed("sweep"):
            await super().sweep(older_than)

    async def check(self) -> None:
        with self._timed("check"):
            await super().check()
