"""Whether catalog, storages and decoders can be used right now."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from imges.catalog import Catalog
from imges.errors import ImgesError
from imges.imaging import Imaging
from imges.settings import Settings
from imges.storage.places import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problems:
    """What is out of reach, and why. *vital* keeps uploads from working, *old_pictures* only old pictures."""

    vital: dict[str, str]
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
        vital = {"catalog", "decoders", f"storage {self._settings.storage}"}
        return Problems(
            vital={part: problem for part, problem in problems.items() if part in vital},
            old_pictures={part: problem for part, problem in problems.items() if part not in vital},
        )

    async def _decoders_problem(self) -> str | None:
        return None if self._imaging is None else await self._imaging.problem()

    async def _catalog_problem(self) -> str | None:
        try:
            await self._catalog.check()
        except ImgesError as error:
            log.info("a check failed", exc_info=error)
            return error.message
        return None
