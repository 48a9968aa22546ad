"""The places that pictures are kept in: all storages of the settings, by name, opened and tried.

New pictures go to one of them, the present place. The server does not start without it. The other places hold old
pictures: if one is out of reach, that is logged, and the pictures of the others are served. A new picture never goes to
another place instead.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from imges.errors import SettingsError
from imges.storage.errors import StorageError, StorageFull, StorageRefused, StorageUnavailable
from imges.storage.late import LateStorage
from imges.storage.protocol import Storage
from imges.storage.registry import open_storage
from imges.storage.timed import TimedStorage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A named storage of the settings: *given* stands below its *name*; *kind* is its type, as the API shows it."""

    name: str
    kind: str
    storage: Storage
    given: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)  # it holds secrets

    async def problem(self) -> str | None:
        """What is wrong with the place and what to change; `None` if objects can be put, read and deleted."""
        try:
            await self.storage.check()
        except StorageError as error:
            problem = error.for_owner(self.name)
            log.info("a storage fails: %s", problem, exc_info=error)
            return problem
        return None


@asynccontextmanager
async def open_places(storages: Mapping[str, Mapping[str, Any]], present: str) -> AsyncGenerator[dict[str, Place]]:
    """All places that the setting *storages* describes; new pictures go to the *present* one.

    Raises `SettingsError` if the settings of a place are wrong, and `StorageUnavailable` if the present place is out of
    reach. Another place that is out of reach is tried again in the background (`LateStorage`).
    """
    async with AsyncExitStack() as stack:
        places: dict[str, Place] = {}
        for name, given in storages.items():
            try:
                storage = await open_storage(name, given)
            except StorageUnavailable as error:
                if name == present:
                    _stop_over(error, name, given)
                log.info("it is tried again later: %s", error.for_owner(name), exc_info=error)
                storage = LateStorage(name, given, error)
            stack.push_async_callback(storage.close)
            places[name] = Place(name, given["type"], TimedStorage(name, storage), given)
        yield places


async def prove(places: Mapping[str, Place], present: str) -> None:
    """Puts, reads, compares and deletes an object in every place.

    Raises `SettingsError` or `StorageError` if the *present* place fails. If another place fails, that is logged.
    """
    try:
        await places[present].storage.check()
    except StorageError as error:
        _stop_over(error, present, places[present].given)
    others = (place.problem() for place in places.values() if place.name != present)
    for problem in await asyncio.gather(*others):
        if problem:
            log.warning("pictures of one storage may be out of reach: %s", problem)


def _stop_over(error: StorageError, place: str, given: Mapping[str, Any]) -> NoReturn:
    """Raises `SettingsError` if other settings would help, else *error* with the name of its setting."""
    told = error.for_owner(place, given)
    if isinstance(error, StorageRefused):
        raise SettingsError(told) from error
    raise StorageFull(told) if isinstance(error, StorageFull) else StorageUnavailable(told) from error


def none_lost(places: Collection[str], pictures: Mapping[str, int]) -> None:
    """Raises `SettingsError` if *pictures* (their number by place) lie in a place that *places* do not name."""
    lost = {name: count for name, count in pictures.items() if name not in places}
    if lost:
        raise SettingsError(
            *(
                f"storages.{name} is missing, and {count:,} pictures are kept there; put it back, "
                f"and move them by `imges migrate --from {name}` before you take it away"
                for name, count in sorted(lost.items())
            )
        )


def place_named(places: Mapping[str, Place], name: str) -> Place:
    """Return the place *name*. Raises `StorageUnavailable` if the settings have no such place."""
    place = places.get(name)
    if place is None:
        raise StorageUnavailable(f"the storage {name} is not in the settings")
    return place
