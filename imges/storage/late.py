"""A place that was out of reach at the start and is opened later."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imges.errors import SettingsError
from imges.storage.errors import StorageUnavailable
from imges.storage.forwarding import ForwardingStorage
from imges.storage.protocol import Storage
from imges.storage.registry import open_storage

log = logging.getLogger(__name__)

RETRY = 5.0
"""Seconds between two tries to open the place."""


class LateStorage(ForwardingStorage):
    """Tries to open the place *name* until it answers. Until then each call raises `StorageUnavailable` at once.

    So no request waits for a place that is out of reach. *error* is what kept the place from being opened first.
    """

    def __init__(self, name: str, given: Mapping[str, Any], error: StorageUnavailable) -> None:
        self._name = name
        self._given = given
        self._storage: Storage | None = None
        self._error = error
        self._opening = asyncio.create_task(self._open_when_in_reach())

    async def _open_when_in_reach(self) -> None:
        while self._storage is None:
            await asyncio.sleep(RETRY)
            try:
                self._storage = await open_storage(self._name, self._given)
            except StorageUnavailable as error:
                self._error = error
            except SettingsError as error:  # the backend can judge some options only when its store answers
                self._error = StorageUnavailable(str(error))
        log.info("storage %s is in reach again", self._name)

    @property
    def wrapped(self) -> Storage:
        """Raises `StorageUnavailable` with its plain message: clients do not learn why the place cannot be opened."""
        if self._storage is None:
            raise StorageUnavailable from self._error
        return self._storage

    def local_path(self, key: str) -> Path | None:
        """`None` while the place is out of reach, so the caller goes on to `open`, which raises."""
        return self._storage.local_path(key) if self._storage else None

    async def check(self) -> None:
        """Raises `StorageUnavailable` with the reason, and the option to look at, while the place is out of reach."""
        if self._storage is None:
            raise StorageUnavailable(self._error.message, option=self._error.option) from self._error
        await self._storage.check()

    async def close(self) -> None:
        self._opening.cancel()
        await asyncio.gather(self._opening, return_exceptions=True)
        if self._storage:
            await self._storage.close()
