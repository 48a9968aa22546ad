"""The use cases of the site's owner, beside those that every visitor has."""

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Self
from urllib.parse import unquote, urlsplit

from imges.access.access import Access
from imges.administration.blocking import Blocking
from imges.administration.key_management import KeyManagement
from imges.administration.searching import written_search
from imges.administration.sessions import Sessions
from imges.administration.trail import OwnersTrail
from imges.catalog import Catalog, Cursor, Deed, Image, PlaceUse, Search, utc_now
from imges.errors import CatalogUnavailable, Gone, ImgesError, NotFound
from imges.pictures.deleting import Deleting
from imges.settings import Settings

log = logging.getLogger(__name__)

PAGE = 60
"""Pictures on one page."""

MARKING = 5.0
"""Seconds that the owner waits until a deletion of many is marked. That is enough for some ten thousand pictures."""

AGAIN = 5.0
"""Seconds until marking is tried again, if the catalog was out of reach."""

DAYS = 30
"""Days that the overview shows."""

FIGURES_LIFE = 60.0
"""Seconds that figures are kept: with a million pictures they take most of a second to make."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search, newest pictures first. `newer` and `older` lead to the next ones; `None`: there is none."""

    images: Sequence[Image]
    newer: Cursor | None
    older: Cursor | None


@dataclass(frozen=True, slots=True)
class Overview:
    """What is stored in each place, and how many pictures were uploaded on each of the last `DAYS` days."""

    places: Sequence[PlaceUse]
    days: Sequence[tuple[date, int]]


class Administration:
    """Opened with `Administration.open`."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        deleting: Deleting,
        access: Access,
        sessions: Sessions,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self.sessions = sessions
        self._catalog = catalog
        self._deleting = deleting
        self._settings = settings
        self.keys = KeyManagement(catalog, access.keys)
        self.blocks = Blocking(catalog)
        self.trail = OwnersTrail(catalog)
        self._now = now
        self._overview: tuple[float, Overview] | None = None
        self._deletions: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        catalog: Catalog,
        deleting: Deleting,
        access: Access,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> AsyncGenerator[Self]:
        """Raises `CatalogUnavailable` if the secret of the cookies cannot be read."""
        secret = await catalog.secret("cookies", lambda: os.urandom(32))
        administration = cls(settings, catalog, deleting, access, Sessions(access, catalog, secret, now), now=now)
        try:
            yield administration
        finally:
            for task in administration._deletions:
                task.cancel()  # the next sweep finishes what is marked
            await asyncio.gather(*administration._deletions, return_exceptions=True)

    # Pictures

    async def page(self, search: Search, *, older_than: Cursor | None, newer_than: Cursor | None) -> Page:
        """Returns the page of *search* behind *older_than*, or before *newer_than*; the first page without a cursor."""
        found = await self._catalog.search.page(search, limit=PAGE + 1, older_than=older_than, newer_than=newer_than)
        more = len(found) > PAGE
        images = found[:PAGE] if newer_than is None else found[-PAGE:]
        before, behind = (more, True) if newer_than is not None else (older_than is not None, more)
        if not images:
            return Page((), None, None)
        first, last = (Cursor(image.created, image.number) for image in (images[0], images[-1]))
        return Page(images, first if before else None, last if behind else None)

    async def meant(self, text: str) -> Image | None:
        """Returns the picture whose id or address somebody has pasted as *text*; `None` if it is none."""
        try:
            path = unquote(urlsplit(text.strip()).path) if "/" in text else f"/image/{text.strip()}"
        except ValueError:  # brackets without an IPv6 address in them
            return None
        found = re.fullmatch(r"/(image|images)/(.+?)(?:/delete/.*)?/?", path)
        try:
            if found is None:
                return None
            if found[1] == "image":
                return await self._catalog.published.by_id(found[2], self._now())
            return await self._catalog.published.by_key(found[2], self._now())
        except (NotFound, Gone):
            return None

    async def chosen(self, ids: Sequence[str]) -> list[Image]:
        """Returns the pictures with these *ids*. Ids without a picture are left out."""
        return await self._catalog.published.by_ids(ids)

    async def count(self, search: Search) -> int:
        return await self._catalog.search.count(search)

    async def up_to_now(self, search: Search) -> Search:
        """Returns *search*, limited to the pictures that exist now. Later uploads do not belong to it."""
        return replace(search, newest=await self._catalog.search.newest_number()) if search.newest is None else search

    async def delete(self, ids: Sequence[str], *, by: str) -> int:
        """Deletes the pictures of these *ids*, and returns how many there were. From now on their addresses answer 410.

        Their objects are deleted afterwards. *by* is the name of the key that the owner is signed in with.
        """
        rows = await self._deleting.mark_all(ids)
        self._go_on(self._deleting.finish_all())
        await self.trail.note(by, Deed.DELETE, ", ".join(row.id for row in rows), len(rows))
        return len(rows)

    async def delete_all(self, search: Search, *, by: str) -> None:
        """Begins to delete what *search* finds. All of it is marked first: a restart does not stop what is marked.

        Returns when all is marked, or after `MARKING` seconds. `left` returns how many pictures are still there.
        """
        await self.trail.note(by, Deed.DELETE_FOUND, written_search(search), await self.count(search))
        marked = asyncio.Event()
        self._go_on(self._delete_all(search, marked))
        with suppress(TimeoutError):
            async with asyncio.timeout(MARKING):
                await marked.wait()

    async def _delete_all(self, search: Search, marked: asyncio.Event) -> None:
        while not marked.is_set():
            try:
                await self._deleting.mark_found(search)
                marked.set()
            except CatalogUnavailable:
                log.exception("a deletion of many waits for the catalog")
                await asyncio.sleep(AGAIN)
        await self._deleting.finish_all()

    async def left(self, search: Search) -> int:
        """Returns how many pictures are still to be deleted: those of *search*, and all that are marked."""
        return await self._catalog.search.count(search) + await self._catalog.deletions.count()

    def _go_on(self, work: Coroutine[None, None, None]) -> None:
        """Starts *work*, which goes on after its request is answered."""
        task = asyncio.create_task(self._quietly(work))
        self._deletions.add(task)
        task.add_done_callback(self._deletions.discard)

    async def _quietly(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except ImgesError:
            log.exception("a deletion broke off; the next sweep goes on with what was marked")

    async def finish(self, seconds: float) -> None:
        """Waits until all deletions that were begun here have ended, but at most for *seconds*."""
        if self._deletions:
            await asyncio.wait(set(self._deletions), timeout=seconds)

    # Figures

    async def overview(self) -> Overview:
        """Returns figures that are at most `FIGURES_LIFE` seconds old."""
        if self._overview is None or time.monotonic() - self._overview[0] >= FIGURES_LIFE:
            places = await self._catalog.figures.use_of_places()
            now = self._now().astimezone(self._settings.site.time_zone)
            today = now.replace(hour=0, minute=0, second=0, microsecond=0)
            first = today - timedelta(days=DAYS - 1)
            counts = await self._catalog.figures.by_day(first)
            days = [((first + timedelta(days=number)).date(), counts.get(number, 0)) for number in range(DAYS)]
            self._overview = time.monotonic(), Overview(places, days)
        return self._overview[1]
