"""Objects of a storage, copied to a file or digested."""

import asyncio
import hashlib
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from imges.catalog import StoredFile
from imges.errors import ServerError, SpoolUnavailable
from imges.pictures.integrity import is_intact
from imges.receiving.spool import BLOCK, spool_chunks
from imges.storage import Storage, StorageError, StorageFull, StorageUnavailable
from imges.storage.places import Place

OUT_OF_ORDER = (StorageUnavailable, StorageFull, ServerError)
"""Errors that are not about one picture: the next one would fail too."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Our copy of an object or of somebody's file: its *size* in bytes, hex *md5* and *crc32*."""

    path: Path
    size: int
    md5: str
    crc32: int

    @classmethod
    def of(cls, path: Path, size: int) -> Self:
        """Blocking. Raises `SpoolUnavailable` if the file *path* of *size* bytes cannot be read."""
        md5, crc32 = hashlib.md5(usedforsecurity=False), 0
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    md5.update(block)
                    crc32 = zlib.crc32(block, crc32)
        except OSError as error:
            raise SpoolUnavailable from error
        return cls(path, size, md5.hexdigest(), crc32)


async def fetched(storage: Storage, key: str, path: Path) -> Copy:
    """Copies the object to the file *path*.

    Raises `KeyMissing` or `StorageUnavailable` if the object cannot be read, and `DiskReserve` or `SpoolUnavailable` if
    the file cannot be written.
    """
    async with storage.open(key) as chunks:
        spooled = await spool_chunks(chunks, path, sys.maxsize)
    return await asyncio.to_thread(Copy.of, spooled.path, spooled.size)


async def digest(storage: Storage, key: str) -> str:
    """Returns the hex md5 of the object. Raises `KeyMissing` or `StorageUnavailable` if it cannot be read."""
    md5 = hashlib.md5(usedforsecurity=False)
    async with storage.open(key) as chunks:
        async for chunk in chunks:
            md5.update(chunk)
    return md5.hexdigest()


async def elsewhere(places: list[Place], file: StoredFile) -> Place | None:
    """Returns the first of *places* that has the object byte for byte. Places that are out of reach are passed over."""
    for place in places:
        try:
            if await is_intact(place.storage, file):
                return place
        except StorageError:
            continue
    return None
