"""Objects as files, and as digests."""

import asyncio
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from imges.catalog import StoredFile
from imges.errors import ServerError
from imges.intake import Spooled, spool_chunks
from imges.service import Place, holds
from imges.storage import Storage, StorageError, StorageFull, StorageUnavailable

OUT_OF_ORDER = (StorageUnavailable, StorageFull, ServerError)
"""What is no picture's fault: the next one will not fare better."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A file of ours that is to be as an object is, or as somebody's file: its *size* in bytes, and hex *md5*."""

    path: Path
    size: int
    md5: str

    @classmethod
    def of(cls, spooled: Spooled) -> Self:
        """Blocking. Raises: SpoolUnavailable."""
        return cls(spooled.path, spooled.size, spooled.digest())


async def fetched(storage: Storage, key: str, path: Path) -> Copy:
    """The object in the file *path*. Raises: KeyMissing, StorageUnavailable, DiskReserve, SpoolUnavailable."""
    async with storage.open(key) as chunks:
        spooled = await spool_chunks(chunks, path, sys.maxsize)
    return await asyncio.to_thread(Copy.of, spooled)


async def digest(storage: Storage, key: str) -> str:
    """The hex md5 of the object. Raises: KeyMissing, StorageUnavailable."""
    md5 = hashlib.md5(usedforsecurity=False)
    async with storage.open(key) as chunks:
        async for chunk in chunks:
            md5.update(chunk)
    return md5.hexdigest()


async def elsewhere(places: list[Place], file: StoredFile) -> Place | None:
    """The first of *places* that has the object byte for byte; one out of reach has nothing."""
    for place in places:
        try:
            if await holds(place.storage, file):
                return place
        except StorageError:
            continue
    return None
