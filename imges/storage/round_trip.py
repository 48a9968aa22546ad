"""The trial that every backend's `check` makes: a small object goes to the store and back."""

import asyncio
import secrets
import tempfile
from pathlib import Path

from imges.storage.errors import KeyExists, KeyMissing, StorageUnavailable
from imges.storage.protocol import Storage

CHECK_PREFIX = "imges-check-"
"""Keys of objects that `Storage.check` stores for a moment begin with this. No picture has such a key."""


async def round_trip(storage: Storage) -> None:
    """Puts, reads, compares and deletes a small object under a new key that begins with `CHECK_PREFIX`.

    Raises `StorageFull` or `StorageUnavailable`.
    """
    key, content = CHECK_PREFIX + secrets.token_hex(8), secrets.token_bytes(64)
    file = await asyncio.to_thread(_temporary_file, content)
    try:
        await storage.put(key, file, media_type="application/octet-stream")
        async with storage.open(key) as chunks:
            read = b"".join([chunk async for chunk in chunks])
    except (KeyExists, KeyMissing) as error:
        raise StorageUnavailable from error
    finally:
        await asyncio.to_thread(file.unlink)
        await storage.delete(key)
    if read != content:
        raise StorageUnavailable("the storage does not give back what was stored")


def _temporary_file(content: bytes) -> Path:
    """Raises `StorageUnavailable` if the file cannot be written, because nothing can be put without it."""
    try:
        with tempfile.NamedTemporaryFile(prefix=CHECK_PREFIX, delete=False) as file:
            file.write(content)
    except OSError as error:
        raise StorageUnavailable("there is no room for a temporary file") from error
    return Path(file.name)
