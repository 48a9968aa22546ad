"""A storage backend in memory that passes the suite. The backends that are broken on purpose derive from it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from imges.storage import Address, KeyExists, KeyMissing, ObjectEntry, ObjectStat, Storage, checked_key, round_trip

CHUNK = 2**18


@dataclass
class MemoryOptions:
    objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict[str, tuple[bytes, datetime]])


class MemoryStorage(Storage):
    Options: ClassVar[type[Any]] = MemoryOptions

    def __init__(self, options: MemoryOptions) -> None:
        self.objects = options.objects

    @classmethod
    async def connect(cls, options: MemoryOptions) -> Self:
        return cls(options)

    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        checked_key(key)
        content = await asyncio.to_thread(file.read_bytes)
        if key in self.objects and not replace:
            raise KeyExists(key)
        self.objects[key] = content, datetime.now(UTC)

    def _found(self, key: str) -> tuple[bytes, datetime]:
        if checked_key(key) not in self.objects:
            raise KeyMissing(key)
        return self.objects[key]

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        yield self._chunks(self._found(key)[0][start:stop])

    async def _chunks(self, content: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(content), CHUNK):
            await asyncio.sleep(0)
            yield content[at : at + CHUNK]

    async def stat(self, key: str) -> ObjectStat:
        content, modified = self._found(key)
        return ObjectStat(len(content), modified)

    async def delete(self, key: str) -> None:
        self.objects.pop(checked_key(key), None)

    async def scan(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        for key, (content, modified) in list(self.objects.items()):
            if key.startswith(prefix):
                yield ObjectEntry(key, len(content), modified)

    async def sweep(self, older_than: timedelta) -> None:
        pass

    def local_path(self, key: str) -> Path | None:
        checked_key(key)

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:
        checked_key(key)

    async def check(self) -> None:
        await round_trip(self)

    async def close(self) -> None:
        pass
