"""The use cases of the owner, on top of those that everybody has."""

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

from imges.access import Access, check_key_name
from imges.administration.sessions import Sessions
from imges.catalog import ApiKey, Block, Cursor, Image, PlaceUse, Scope, Search, block_text, utc_now
from imges.errors import BadParameter, CatalogUnavailable, Gone, ImgesError, NotFound
from imges.options import size
from imges.service import Service

log = logging.getLogger(__name__)

PAGE = 60
"""Pictures of a page."""

MARKING = 5.0
"""Seconds that the owner waits for a deletion of many to be marked; some ten thousand pictures are in that time."""

AGAIN = 5.0
"""Seconds until what is to be deleted is marked again, where the catalog was out of reach."""

DAYS = 30
"""Days that the overview looks back."""

FIGURES_LIFE = 60.0
"""Seconds that figures count for: with a million pictures they take the better part of one to make."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some pictures of a search, newest first, and where those before and behind them are found."""

    images: Sequence[Image]
    newer: Cursor | None
    older: Cursor | None


@dataclass(frozen=True, slots=True)
class Overview:
    """What is stored by place, and pictures by the day of their upload: each of the last `DAYS`."""

    places: Sequence[PlaceUse]
    days: Sequence[tuple[date, int]]


class Administration:
    """See the module; opened with `Administration.open`."""

    def __init__(self, service: Service, access: Access, sessions: Sessions, now: Callable[[], datetime]) -> None:
        self.sessions = sessions
        self._service = service
        self._catalog = service.catalog
        self._keys = access.keys
        self._now = now
        self._overview: tuple[float, Overview] | None = None
        self._deletions: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, service: Service, access: Access, now: Callable[[], datetime] = utc_now
    ) -> AsyncGenerator[Self]:
        """Raises: CatalogUnavailable."""
        secret = await service.catalog.secret("cookies", lambda: os.urandom(32))
        administration = cls(service, access, Sessions(access, secret, now), now)
        try:
            yield administration
        finally:
            for task in administration._deletions:
                task.cancel()  # what is marked already is finished by a sweep
            await asyncio.gather(*administration._deletions, return_exceptions=True)

    # Pictures

    async def page(self, search: Search, *, older_than: Cursor | None, newer_than: Cursor | None) -> Page:
        """One page of what *search* finds."""
        found = await self._catalog.found(search, limit=PAGE + 1, older_than=older_than, newer_than=newer_than)
        more = len(found) > PAGE
        images = found[:PAGE] if newer_than is None else found[-PAGE:]
        before, behind = (more, True) if newer_than is not None else (older_than is not None, more)
        if not images:
            return Page((), None, None)
        first, last = (Cursor(image.created, image.number) for image in (images[0], images[-1]))
        return Page(images, first if before else None, last if behind else None)

    async def meant(self, text: str) -> Image | None:
        """The picture whose id or address *text* is, as people paste it; `None` where it is none."""
        try:
            path = unquote(urlsplit(text.strip()).path) if "/" in text else f"/image/{text.strip()}"
        except ValueError:  # brackets that hold no address
            return None
        found = re.fullmatch(r"/(image|images)/(.+?)(?:/delete/.*)?/?", path)
        try:
            if found is None:
                return None
            if found[1] == "image":
                return await self._catalog.by_id(found[2], self._now())
            return await self._catalog.by_key(found[2], self._now())
        except (NotFound, Gone):
            return None

    async def chosen(self, ids: Sequence[str]) -> list[Image]:
        """Those of *ids* that are there."""
        return await self._catalog.by_ids(ids)

    async def count(self, search: Search) -> int:
        return await self._catalog.count_found(search)

    async def up_to_now(self, search: Search) -> Search:
        """*search*, without what comes later."""
        return replace(search, newest=await self._catalog.newest_number()) if search.newest is None else search

    async def delete(self, ids: Sequence[str]) -> int:
        """Delete the pictures of these *ids*; how many there were. Their addresses answer 410 when this returns."""
        rows = await self._service.mark_all_deleting(ids)
        self._go_on(self._service.finish_deletions())
        return len(rows)

    async def delete_all(self, search: Search) -> None:
        """Begin to delete what *search* finds. All of it is marked first: what is marked, no restart stops.

        This returns when it is, or after `MARKING`; `left` tells what is still to go.
        """
        marked = asyncio.Event()
        self._go_on(self._delete_all(search, marked))
        with suppress(TimeoutError):
            async with asyncio.timeout(MARKING):
                await marked.wait()

    async def _delete_all(self, search: Search, marked: asyncio.Event) -> None:
        while not marked.is_set():
            try:
                await self._service.mark_found_deleting(search)
                marked.set()
            except CatalogUnavailable:
                log.exception("a deletion of many waits for the catalog")
                await asyncio.sleep(AGAIN)
        await self._service.finish_deletions()

    async def left(self, search: Search) -> int:
        """How many pictures are still to go, those of *search* and others that are being deleted."""
        return await self._catalog.count_found(search) + await self._catalog.count_deleting()

    def _go_on(self, work: Coroutine[None, None, None]) -> None:
        """Do *work* while its request is answered and afterwards."""
        task = asyncio.create_task(self._quietly(work))
        self._deletions.add(task)
        task.add_done_callback(self._deletions.discard)

    async def _quietly(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except ImgesError:
            log.exception("a deletion broke off; the next sweep goes on with what was marked")

    async def finish(self, seconds: float) -> None:
        """Wait until all that was begun here is done, but not longer than *seconds*."""
        if self._deletions:
            await asyncio.wait(set(self._deletions), timeout=seconds)

    # Blocks

    async def blocks(self) -> list[Block]:
        return await self._catalog.blocks()

    async def block(self, texts: Sequence[str]) -> int:
        """Block digests, addresses or networks; how many were not blocked before. Raises: BadParameter."""
        try:
            whats = [block_text(text) for text in dict.fromkeys(texts)]
        except ValueError as error:
            raise BadParameter(
                "what to block should be an MD5 digest (32 hex digits), an address or a network such as 192.0.2.0/24"
            ) from error
        return sum([await self._catalog.add_block(what) for what in whats])

    async def unblock(self, what: str) -> bool:
        return await self._catalog.remove_block(what)

    # Keys

    async def keys(self) -> list[ApiKey]:
        return await self._catalog.keys()

    async def add_key(
        self, name: str, *, admin: bool, quota: str, quota_pictures: str, expires: datetime | None
    ) -> str:
        """The text of a new key, which nobody can read again. Raises: BadParameter, ApiKeyNameTaken."""
        check_key_name(name)
        if quota_pictures and not re.fullmatch("[0-9]{1,12}", quota_pictures):
            raise BadParameter("the number of pictures should be a whole number")
        try:
            quota_bytes = size(quota) if quota else None
        except ValueError as error:
            raise BadParameter(f"the quota {error}") from error
        return await self._keys.add(
            name,
            Scope.ADMIN if admin else Scope.UPLOAD,
            quota_pictures=int(quota_pictures) if quota_pictures else None,
            quota_bytes=quota_bytes,
            expires=expires,
        )

    async def set_key_enabled(self, name: str, *, enabled: bool) -> None:
        """Raises: NoSuchApiKey."""
        await self._catalog.set_key_enabled(name, enabled=enabled)

    async def revoke_key(self, name: str) -> None:
        """Raises: GuestStays, NoSuchApiKey."""
        await self._catalog.remove_key(name)

    # Figures

    async def overview(self) -> Overview:
        """See `Overview`; a minute old at most."""
        if self._overview is None or time.monotonic() - self._overview[0] >= FIGURES_LIFE:
            places = await self._catalog.use_of_places()
            today = self._service.local(self._now()).replace(hour=0, minute=0, second=0, microsecond=0)
            first = today - timedelta(days=DAYS - 1)
            counts = await self._catalog.days_of_pictures(first)
            days = [((first + timedelta(days=number)).date(), counts.get(number, 0)) for number in range(DAYS)]
            self._overview = time.monotonic(), Overview(places, days)
        return self._overview[1]
