"""The places that pictures are kept in: all storages of the settings by name, opened and proved.

New pictures go to one of them, the present place; without it nothing starts. The others hold old pictures: one that is
out of reach is reported, and does not keep the rest from being served. No picture ever goes to another place instead.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, Self

from imges.errors import SettingsError
from imges.measured import MeasuredStorage
from imges.storage import (
    Address,
    ObjectEntry,
    ObjectStat,
    Storage,
    StorageError,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
    open_storage,
)

log = logging.getLogger(__name__)

RETRY = 5.0
"""Seconds between two tries to open a place that was out of reach at the start."""


@dataclass(frozen=True, slots=True)
class Place:
    """A named storage of the settings; *kind* is its type as the API tells it."""

    name: str
    kind: str
    storage: Storage

    async def problem(self) -> str | None:
        """What is wrong with it, and what to change; `None` where objects can be put, read and deleted."""
        try:
            await self.storage.check()
        except StorageError as error:
            problem = error.told_of(self.name)
            log.info("a storage fails: %s", problem, exc_info=error)
            return problem
        return None


@asynccontextmanager
async def open_places(storages: Mapping[str, Mapping[str, Any]], present: str) -> AsyncGenerator[dict[str, Place]]:
    """All places that the setting *storages* describes; new pictures go to the *present* one.

    Raises: SettingsError; StorageUnavailable where the present place is out of reach.
    """
    async with AsyncExitStack() as stack:
        places: dict[str, Place] = {}
        for name, given in storages.items():
            try:
                storage = await open_storage(name, given)
            except StorageUnavailable as error:
                if name == present:
                    _stop_over(error, name)
                log.info("it is tried again later: %s", error.told_of(name), exc_info=error)
                storage = LateStorage(name, given, error)
            stack.push_async_callback(storage.close)
            places[name] = Place(name, given["type"], MeasuredStorage(name, storage))
        yield places


async def prove(places: Mapping[str, Place], present: str) -> None:
    """Put, read, compare and delete an object in every place.

    Raises: SettingsError, StorageError where the *present* place fails; what the others lack is logged.
    """
    try:
        await places[present].storage.check()
    except StorageError as error:
        _stop_over(error, present)
    others = (place.problem() for place in places.values() if place.name != present)
    for problem in await asyncio.gather(*others):
        if problem:
            log.warning("pictures of one storage may be out of reach: %s", problem)


def _stop_over(error: StorageError, place: str) -> NoReturn:
    """Raises: SettingsError for what the settings can mend, else *error* with the setting's name."""
    told = error.told_of(place)
    if isinstance(error, StorageRefused):
        raise SettingsError(told) from error
    raise StorageFull(told) if isinstance(error, StorageFull) else StorageUnavailable(told) from error


def none_lost(places: Collection[str], pictures: Mapping[str, int]) -> None:
    """Raises: SettingsError where the names of *places* lack one that holds *pictures*, told by their number."""
    lost = {name: count for name, count in pictures.items() if name not in places}
    if lost:
        raise SettingsError(
            *(
                f"storages.{name} is missing, and {count:,} pictures are kept there; put it back, "
                f"and move them by `imges migrate --from {name}` before you take it away"
                for name, count in sorted(lost.items())
            )
        )


class LateStorage(Storage):
    """A place that was out of reach when the others were opened: tried again and again until it answers.

    Nobody's request waits for that: till then each call says at once that it is out of reach.
    """

    Options = object

    def __init__(self, name: str, given: Mapping[str, Any], error: StorageUnavailable) -> None:
        self._name = name
        self._given = given
        self._storage: Storage | None = None
        self._error = error
        self._opening = asyncio.create_task(self._open_when_in_reach())

    @classmethod
    async def connect(cls, options: Any) -> Self:
        raise NotImplementedError("this is no backend: it stands for one that is out of reach")

    async def _open_when_in_reach(self) -> None:
        while self._storage is None:
            await asyncio.sleep(RETRY)
            try:
                self._storage = await open_storage(self._name, self._given)
            except StorageUnavailable as error:
                self._error = error
            except SettingsError as error:  # what only the store itself could tell
                self._error = StorageUnavailable(str(error))
        log.info("storage %s is in reach again", self._name)

    @property
    def _reached(self) -> Storage:
        """Raises: StorageUnavailable, which tells clients no more than that."""
        if self._storage is None:
            raise StorageUnavailable from self._error
        return self._storage

    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        await self._reached.put(key, file, media_type=media_type, expires=expires, replace=replace)

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with self._reached.open(key, start=start, stop=stop) as chunks:
            yield chunks

    async def stat(self, key: str) -> ObjectStat:
        return await self._reached.stat(key)

    async def delete(self, key: str) -> None:
        await self._reached.delete(key)

    async def scan(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        async for entry in self._reached.scan(prefix):
            yield entry

    async def sweep(self, older_than: timedelta) -> None:
        await self._reached.sweep(older_than)

    def local_path(self, key: str) -> Path | None:
        return self._storage.local_path(key) if self._storage else None

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:
        return await self._reached.url(key, expires=expires)

    async def check(self) -> None:
        """Raises: what kept it from being opened, with the option to look at."""
        if self._storage is None:
            raise StorageUnavailable(self._error.message, option=self._error.option) from self._error
        await self._storage.check()

    async def close(self) -> None:
        self._opening.cancel()
        await asyncio.gather(self._opening, return_exceptions=True)
        if self._storage:
            await self._storage.close()
