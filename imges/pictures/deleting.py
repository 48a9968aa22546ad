"""Pictures go: their addresses answer 410 at once, then their objects are deleted."""

import asyncio
import hmac
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from imges.catalog import Catalog, Cursor, Image, Search
from imges.errors import ImgesError, NotFound
from imges.pictures.background import Background
from imges.pictures.drafts import token_hash
from imges.pictures.finding import Finding
from imges.pictures.undoing import Undoing

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Deletions that run at the same time."""

BATCH = 100
"""Rows that are marked or read at a time."""


class Deleting:
    """Deletes single pictures, many, and those that have expired."""

    def __init__(
        self,
        catalog: Catalog,
        finding: Finding,
        undoing: Undoing,
        background: Background,
        now: Callable[[], datetime],
    ) -> None:
        self._catalog = catalog
        self._finding = finding
        self._undoing = undoing
        self._background = background
        self._now = now

    async def by_token(self, image_id: str, token: str) -> Image:
        """Return the picture of a delete link. Raises `NotFound` (also for a wrong token), `Gone`."""
        image = await self._finding.by_id(image_id)
        if not hmac.compare_digest(image.delete_token_hash, token_hash(token)):
            raise NotFound
        return image

    async def delete(self, image: Image) -> None:
        """Delete the picture: its address answers 410 at once, then its objects go.

        Raises `CatalogUnavailable`. Raises `StorageError` if objects could not be deleted yet; the sweep will.
        """
        if marked := await self._background.to_the_end(self._mark(image)):
            await self._background.within_patience(self._undoing.finish_deleting(marked), 0)

    async def _mark(self, image: Image) -> Image | None:
        """Lookups are forgotten even if the catalog fails: the row may have been marked although the answer is lost."""
        try:
            return await self._catalog.deletions.begin(image.number)
        finally:
            self._finding.forget([image])

    async def mark_all(self, ids: Sequence[str]) -> list[Image]:
        """Make the pictures of these *ids* answer 410; returns those that were published. See `finish_all`."""
        rows = await self._catalog.deletions.begin_all(ids)
        self._finding.forget(rows)
        return rows

    async def mark_found(self, search: Search) -> None:
        """Make all pictures that *search* finds answer 410, however many there are."""
        last: Cursor | None = None
        while found := await self._catalog.search.page(search, limit=BATCH, older_than=last):
            await self.mark_all([image.id for image in found])
            last = Cursor(found[-1].created, found[-1].number)

    async def mark_expired(self) -> None:
        """Make all pictures that have expired answer 410."""
        while rows := await self._catalog.deletions.begin_expired(self._now(), limit=BATCH):
            self._finding.forget(rows)

    async def finish_all(self) -> None:
        """Delete the objects of every row that is *deleting*. A place that is out of reach waits for the next sweep."""
        last = 0
        while rows := await self._catalog.deletions.begun(limit=BATCH, after=last):
            for begin in range(0, len(rows), AT_ONCE):
                await asyncio.gather(*map(self._finish_or_leave, rows[begin : begin + AT_ONCE]))
            last = rows[-1].number

    async def _finish_or_leave(self, row: Image) -> None:
        try:
            await self._undoing.finish_deleting(row)
        except ImgesError:
            log.exception("%s could not be deleted yet", row.id)
