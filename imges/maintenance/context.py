"""What every use case of maintenance works with."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from imges.catalog import Catalog
from imges.maintenance.progress import Progress
from imges.maintenance.work_folders import WorkFolder
from imges.pictures import Pictures
from imges.pictures.sweeping import LEASE_LIFE, Sweeping
from imges.settings import Settings
from imges.storage.places import Place


@dataclass(frozen=True, slots=True)
class Context:
    """*work_folder* takes the files that are on their way; *progress* is shown to the operator."""

    settings: Settings
    pictures: Pictures
    work_folder: WorkFolder
    progress: Progress

    @property
    def catalog(self) -> Catalog:
        return self.pictures.catalog

    @property
    def places(self) -> Mapping[str, Place]:
        return self.pictures.places

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, pictures: Pictures, work_folder: WorkFolder, progress: Progress
    ) -> AsyncGenerator[Self]:
        """Renews the lease of *pictures* while it is open. Ends the leases of earlier runs that were killed.

        So a server takes away what those had reserved, and leaves alone what this run reserves.
        """
        for lease in work_folder.former_leases:
            await pictures.catalog.leases.give_back(lease)
        work_folder.note(pictures.lease)
        renewing = asyncio.create_task(_renew(pictures.sweeping))
        try:
            yield cls(settings, pictures, work_folder, progress)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)


async def _renew(sweeping: Sweeping) -> None:
    while True:
        await asyncio.sleep(LEASE_LIFE.total_seconds() / 3)
        await sweeping.renew_lease()
