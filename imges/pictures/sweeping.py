"""What a process does now and then: it keeps its lease, and finishes what crashes and failures left."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from imges.catalog import Catalog, Image
from imges.pictures.background import SLOWEST
from imges.pictures.deleting import BATCH, Deleting
from imges.pictures.repeating import Repeating
from imges.pictures.undoing import Undoing
from imges.settings import Settings
from imges.storage import StorageError
from imges.storage.places import Place

log = logging.getLogger(__name__)

LEASE_LIFE = timedelta(seconds=60)
"""How long a process may be silent before other processes undo its pending uploads."""


class Sweeping:
    """Works for this process (`renew_lease`, `undo_the_rest`), and for all as long as this process `is_keeper`."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        places: Mapping[str, Place],
        deleting: Deleting,
        undoing: Undoing,
        *,
        repeating: Repeating,
        lease: str,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._places = places
        self._deleting = deleting
        self._undoing = undoing
        self._repeating = repeating
        self._lease = lease
        self._now = now
        self._claiming: set[int] = set()  # rows of dead processes that may be ours although the answer was lost

    async def renew_lease(self) -> None:
        """Keep the lease of this process alive for another `LEASE_LIFE`. Raises `CatalogUnavailable`."""
        await self._catalog.leases.renew(self._lease, LEASE_LIFE)

    async def is_keeper(self) -> bool:
        """Return whether this process works for all. When the keeper dies, another process becomes it."""
        return await self._catalog.leases.hold_job("upkeep", lease=self._lease)

    async def undo_the_rest(self) -> None:
        """Undo what failed in this process and could not be undone at once. Raises `CatalogUnavailable`."""
        await self._undoing.undo_the_rest()

    async def sweep(self) -> None:
        """Finish what crashes and failures left, and delete what has expired or ended. Raises `CatalogUnavailable`."""
        await self._undoing.undo_the_rest()
        while rows := await self._claim_abandoned():
            for row in rows:
                await self._undoing.now_or_later(partial(self._undoing.finish_withdrawing, row, row.files()))
        await self._deleting.mark_expired()
        while await self._catalog.albums.delete_ended(self._now(), limit=BATCH) == BATCH:
            pass
        await self._deleting.finish_all()

    async def _claim_abandoned(self) -> list[Image]:
        """Claim some rows that dead processes left pending. If a claim fails, the next call claims its rows again."""
        self._claiming |= await self._catalog.images.abandoned(now=self._now(), limit=BATCH)
        rows = (
            await self._catalog.images.claim(self._claiming, lease=self._lease, now=self._now())
            if self._claiming
            else []
        )
        self._claiming.clear()
        return rows

    async def forget_addresses(self) -> None:
        """Delete uploaders' addresses that are older than `privacy.keep_addresses`. Raises `CatalogUnavailable`."""
        await self._catalog.images.forget_addresses(self._now() - self._settings.privacy.keep_addresses)

    async def forget_upload_ids(self) -> None:
        """Forget upload ids that no client repeats any more. Raises `CatalogUnavailable`."""
        await self._repeating.forget_old()

    @property
    def longest_put(self) -> timedelta:
        """How long a storage may take for the largest picture."""
        return timedelta(seconds=self._settings.images.max_size / SLOWEST)

    async def sweep_storages(self, older_than: timedelta) -> None:
        """Delete what interrupted puts left in any place. A place that is out of reach waits for the next time."""
        for place in self._places.values():
            try:
                await place.storage.sweep(older_than)
            except StorageError as error:
                log.warning("it could not be swept yet: %s", error.for_owner(place.name))
