"""Objects as files, and as digests."""

import hashlib
import sys
from pathlib import Path

from imges.catalog import StoredFile
from imges.errors import ServerError
from imges.intake import Spooled, spool_chunks
from imges.service import Place, holds
from imges.storage import Storage, StorageError, StorageFull, StorageUnavailable

OUT_OF_ORDER = (StorageUnavailable, StorageFull, ServerError)
"""What is no picture's fault: the next one will not fare better."""


async def fetched(storage: Storage, key: str, path: Path) -> Spooled:
    """The object in the file *path*. Raises: KeyMissing, StorageUnavailable, DiskReserve, SpoolUnavailable."""
    async with storage.open(key) as chunks:
        return await spool_chunks(chunks, path, sys.maxsize)


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
