"""What every use case of this room works with."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from imges.maintenance.progress import Progress
from imges.maintenance.workroom import Workroom
from imges.service import LEASE_LIFE, Service
from imges.settings import Settings


@dataclass(frozen=True, slots=True)
class Tools:
    settings: Settings
    service: Service
    room: Workroom
    progress: Progress

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, service: Service, room: Workroom, progress: Progress
    ) -> AsyncGenerator[Self]:
        """The lease of *service* lives for as long as this is open; those of killed predecessors end."""
        for lease in room.former_leases:
            await service.catalog.give_lease_back(lease)
        room.note(service.lease)
        renewing = asyncio.create_task(_renew(service))
        try:
            yield cls(settings, service, room, progress)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)


async def _renew(service: Service) -> None:
    while True:
        await asyncio.sleep(LEASE_LIFE.total_seconds() / 3)
        await service.renew_lease()
