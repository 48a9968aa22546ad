"""Whether an object still has the bytes that the catalog has recorded."""

import hashlib

from imges.catalog import StoredFile
from imges.storage import KeyMissing, Storage


async def is_intact(storage: Storage, file: StoredFile) -> bool:
    """Return whether the object of *file* is in *storage* with the size and the MD5 of *file*.

    Raises `StorageUnavailable`.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    try:
        if (await storage.stat(file.key)).size != file.size:
            return False
        async with storage.open(file.key) as chunks:
            async for chunk in chunks:
                md5.update(chunk)
    except KeyMissing:
        return False
    return md5.hexdigest() == file.md5
