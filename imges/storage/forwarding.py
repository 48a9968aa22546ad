"""What a storage that wraps another inherits: every call goes on to the wrapped one."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from imges.storage.objects import Address, NewObject, ObjectEntry, ObjectStat
from imges.storage.protocol import Storage


class ForwardingStorage(Storage):
    """Forwards every call to `wrapped`. A class that derives from it overrides only the calls that differ."""

    Options: ClassVar[type[Any]] = object

    @property
    @abstractmethod
    def wrapped(self) -> Storage:
        """The storage that the calls go to. Raises `StorageUnavailable` if there is none yet."""

    @classmethod
    async def connect(cls, options: Any) -> Self:
        raise NotImplementedError("this is no backend: it wraps a storage that is already open")

    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        await self.wrapped.put(key, file, media_type=media_type, expires=expires, replace=replace)

    async def put_all(self, objects: Sequence[NewObject], stored: list[str]) -> None:
        await self.wrapped.put_all(objects, stored)

    def open(
        self, key: str, *, start: int = 0, stop: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self.wrapped.open(key, start=start, stop=stop)

    async def stat(self, key: str) -> ObjectStat:
        return await self.wrapped.stat(key)

    async def delete(self, key: str) -> None:
        await self.wrapped.delete(key)

    def scan(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        return self.wrapped.scan(prefix)

    async def sweep(self, older_than: timedelta) -> None:
        await self.wrapped.sweep(older_than)

    def local_path(self, key: str) -> Path | None:
        return self.wrapped.local_path(key)

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:
        return await self.wrapped.url(key, expires=expires)

    async def check(self) -> None:
        await self.wrapped.check()

    async def close(self) -> None:
        await self.wrapped.close()
