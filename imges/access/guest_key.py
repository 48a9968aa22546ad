"""Makes the guests' key if the settings name none, and keeps it in the catalog and in a file for the operator."""

import asyncio
import logging
from pathlib import Path

from imges.access.api_keys import make_key
from imges.catalog import Catalog
from imges.durable import write_whole
from imges.errors import SettingsError

log = logging.getLogger(__name__)


def key_file(data_dir: Path) -> Path:
    """Returns the file in which the operator finds a generated guests' key."""
    return data_dir / "api.key"


async def generated_key(catalog: Catalog, file: Path) -> tuple[bytes, bool]:
    """Returns the guests' key, and whether this call wrote *file*.

    The catalog keeps the key, so that all nodes have the same one. If the catalog has none yet, the key in *file* (of
    a lost catalog) is used; without a file a new key is made. If *file* differs from the catalog, it is overwritten.

    Raises `SettingsError` if *file* cannot be read or written.
    """
    try:
        found = await asyncio.to_thread(_read_key, file)
        key = await catalog.secret("guest_key", lambda: found or make_key().encode())
        if found == key:
            return key, False
        if found:
            log.warning("%s did not contain the guests' key and was overwritten; to choose a key, set api.key", file)
        await asyncio.to_thread(write_whole, file, key + b"\n")
    except OSError as error:
        raise SettingsError(f"data_dir is '{file.parent}': {file.name} cannot be used ({error.strerror})") from error
    return key, True


def _read_key(file: Path) -> bytes | None:
    """Returns the content of *file* without surrounding white space; `None` if it is missing or empty."""
    try:
        return file.read_bytes().strip() or None
    except FileNotFoundError:
        return None
