"""Whether catalog, storages and decoders can be used right now."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from imges.catalog import Catalog
from imges.errors import ImgesError
from imges.imaging import Imaging
from imges.settings import Settings
from imges.storage import KeyMissing, StorageError
from imges.storage.places import Place

log = logging.getLogger(__name__)


MISSING = "imges-check-nothing"
"""The key of an object that no storage has. A storage that says so can be read."""
READ_WITHIN = 1.0
"""Seconds for an answer of a part that has just failed to store. The failure itself may have taken eight."""


@dataclass(frozen=True, slots=True)
class Problems:
    """What is out of reach, and why.

    *vital* keeps pictures from being served, *uploads* from being stored, and *old_pictures* concerns other places.
    """

    vital: dict[str, str]
    uploads: dict[str, str]
    old_pictures: dict[str, str]


class Health:
    """Checks catalog, storages and decoders, once for all who ask at the same time."""

    def __init__(
        self, settings: Settings, catalog: Catalog, places: Mapping[str, Place], imaging: Imaging | None = None
    ) -> None:
        self._settings = settings
        self._imaging = imaging
        self._catalog = catalog
        self._places = places
        self._checking: asyncio.Task[Problems] | None = None

    async def problems(self) -> Problems:
        """Return what is out of reach right now. A caller that asks during a check gets the result of that check."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check())
        return await asyncio.shield(self._checking)

    async def _check(self) -> Problems:
        checks = {"catalog": self._catalog_problem(), "decoders": self._decoders_problem()} | {
            f"storage {place.name}": place.problem() for place in self._places.values()
        }
        found = await asyncio.gather(*checks.values())
        problems = {part: problem for part, problem in zip(checks, found, strict=True) if problem}
        present = f"storage {self._settings.storage}"
        vital: set[str] = set()
        if "catalog" in problems and not await self._catalog_is_read():
            vital.add("catalog")
        if present in problems and not await self._is_read(self._places[self._settings.storage]):
            vital.add(present)
        uploads = {"catalog", "decoders", present} - vital
        return Problems(
            vital={part: problem for part, problem in problems.items() if part in vital},
            uploads={part: problem for part, problem in problems.items() if part in uploads},
            old_pictures={part: problem for part, problem in problems.items() if part not in vital | uploads},
        )

    async def _catalog_is_read(self) -> bool:
        """Returns whether the catalog answers questions. One on a full disk does, though it stores nothing."""
        try:
            async with asyncio.timeout(READ_WITHIN):
                await self._catalog.keys.all()
        except (ImgesError, TimeoutError):
            return False
        return True

    async def _is_read(self, place: Place) -> bool:
        try:
            async with asyncio.timeout(READ_WITHIN):
                await place.storage.stat(MISSING)
        except KeyMissing:
            return True
        except (StorageError, TimeoutError):
            return False
        return True

    async def _decoders_problem(self) -> str | None:
        return None if self._imaging is None else await self._imaging.problem()

    async def _catalog_problem(self) -> str | None:
        try:
            await self._catalog.check()
        except ImgesError as error:
            log.info("a check failed", exc_info=error)
            return error.message
        return None
