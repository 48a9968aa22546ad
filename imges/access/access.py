"""Decides who may upload: checks blocks, limits per client address, room on the disk, API keys and their quotas.

The check of a quota here only refuses early, before a body is read. Two uploads at once could both pass it; the
catalog therefore counts again, without a race, when it reserves a picture.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter

from imges.access.api_keys import KeyRing
from imges.access.disk import DiskRoom, Room
from imges.access.guest_key import generated_key, key_file
from imges.access.hits import LocalHits
from imges.access.limits import AddressLimit, IPAddress, Pseudonyms
from imges.catalog import GUEST, ApiKey, Catalog, Scope, utc_now
from imges.errors import Blocked, GuestsRefused, ImgesError, KeyUnusable, KeyWrong, QuotaUsedUp
from imges.settings import Settings
from imges.settings.units import Rate

log = logging.getLogger(__name__)

EXPENSIVE = 10
"""An upload counts as so many if its picture took all the time that a decoder has."""

PASSWORDS = Rate(5, timedelta(minutes=1))
"""Passwords of albums that a client address may try."""

TOUCH_EVERY = timedelta(minutes=1)
"""`last_used` of an API key is stored at most this often: it is exact to a minute."""


class Access:
    """Decides who may upload. Opened with `Access.open`."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        *,
        keys: KeyRing,
        guest_hash: bytes,
        pseudonyms: Pseudonyms,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        hits: Storage,
    ) -> None:
        limiter = MovingWindowRateLimiter(hits)
        self.new_key_file: Path | None = None
        """The file of the guests' key, if this start wrote it; else `None`."""
        self._guests_upload = settings.api.guest_uploads
        self._catalog = catalog
        self.keys = keys
        self._guest_hash = guest_hash
        self._now = now
        self._uploads = AddressLimit(limiter, pseudonyms, settings.limits.uploads, "uploads")
        self._wrong_keys = AddressLimit(limiter, pseudonyms, settings.limits.wrong_keys, "wrong API keys")
        self._passwords = AddressLimit(limiter, pseudonyms, PASSWORDS, "passwords")
        self._disk = DiskRoom(_disks(settings), settings.limits.disk_reserve, clock)
        self._touching: dict[str, asyncio.Task[None]] = {}

    def follow(self, settings: Settings) -> None:
        """Applies the limits and the rules for guests of *settings* from now on."""
        self._guests_upload = settings.api.guest_uploads
        self._uploads.set(settings.limits.uploads)
        self._wrong_keys.set(settings.limits.wrong_keys)
        self._disk.keep_free = settings.limits.disk_reserve

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        catalog: Catalog,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        hits: Storage | None = None,
    ) -> AsyncGenerator[Self]:
        """Access by *settings*.

        *now* returns the time by which API keys expire. *clock* returns the seconds by which limits are counted.
        *hits* counts hits of client addresses; `None` counts them in the memory of this process.

        Raises `SettingsError` if the guests' key cannot be used, `CatalogUnavailable`.
        """
        keys = await KeyRing.open(catalog)
        file, written = key_file(settings.data_dir), False
        guest_key: str | bytes | None = settings.api.key
        if guest_key is None:
            guest_key, written = await generated_key(catalog, file)
        guest_hash = keys.hash(guest_key)
        await catalog.keys.ensure_guest(guest_hash, settings.limits.guest_bytes)
        pseudonyms = Pseudonyms(await catalog.secret("limits", lambda: os.urandom(32)), now)
        access = cls(
            settings,
            catalog,
            keys=keys,
            guest_hash=guest_hash,
            pseudonyms=pseudonyms,
            now=now,
            clock=clock,
            hits=LocalHits(clock) if hits is None else hits,
        )
        access.new_key_file = file if written else None
        try:
            yield access
        finally:
            await asyncio.gather(*access._touching.values())

    async def admit_upload(self, address: IPAddress | None) -> None:
        """Counts one upload from *address*, before its body is read.

        Raises `Blocked` if the address is blocked, `TooManyRequests` if it is beyond the limit, `DiskReserve` if too
        little room is free, `SpoolUnavailable`, `CatalogUnavailable`.
        """
        if address is not None and await self._catalog.blocks.has(address=str(address)):
            raise Blocked("uploads from your address")
        await self._uploads.hit(address)
        await self._disk.check()

    async def charge_upload(self, address: IPAddress | None) -> None:
        """Counts an upload that took a decoder's whole time as `EXPENSIVE` uploads. `admit_upload` has counted one."""
        await self._uploads.charge(address, EXPENSIVE - 1)

    async def check_room(self) -> None:
        """Raises `DiskReserve` if too little room is free for uploads, and `SpoolUnavailable`."""
        await self._disk.check()

    async def admit_password(self, address: IPAddress | None) -> None:
        """Counts a try to enter the password of an album. Raises `TooManyRequests` beyond `PASSWORDS`."""
        await self._passwords.hit(address)

    def room(self, size: int) -> AbstractAsyncContextManager[Room]:
        """See `DiskRoom.room`."""
        return self._disk.room(size)

    async def identify(self, presented: str | bytes | None, address: IPAddress | None) -> ApiKey:
        """Returns the API key whose text is *presented*.

        Raises `KeyWrong` if there is none, `KeyUnusable` if it may not upload, `CatalogUnavailable`.

        Raises `TooManyRequests` instead of `KeyWrong` if *address* has presented too many wrong keys. A right key is
        accepted even then: somebody who guesses from the same address must not lock out its owner.
        """
        remembered = self._remembered(self.keys.hash(presented)) if presented else None
        return remembered or self._usable(await self._known(presented, address))

    async def holder(self, presented: str | bytes | None, address: IPAddress | None) -> ApiKey:
        """Returns the API key whose text is *presented*, if it may change what it owns. Raises what `identify` raises.

        A used-up quota does not matter here: its owner may want to delete pictures.
        """
        key = await self._known(presented, address)
        key.check_alive(self._now())
        self._touch(key)
        return key

    async def administrator(self, presented: str | bytes | None, address: IPAddress | None) -> ApiKey:
        """Returns the API key whose text is *presented*, if it may administer. Raises what `identify` raises.

        A used-up quota does not matter here: the administrator may want to delete pictures.
        """
        return self._administering(await self._known(presented, address))

    async def administrator_of(self, key_hash: bytes) -> ApiKey:
        """Returns the API key with this hash.

        Raises `KeyWrong` if there is none, `KeyUnusable` if it may not administer, `CatalogUnavailable`.
        """
        key = await self._catalog.keys.by_hash(key_hash)
        if key is None:
            raise KeyWrong
        return self._administering(key)

    async def _known(self, presented: str | bytes | None, address: IPAddress | None) -> ApiKey:
        """Returns the API key whose text is *presented*. Counts a wrong one against *address*."""
        key = await self.keys.find(presented) if presented else None
        if key is None:
            await self._wrong_keys.hit(address)
            raise KeyWrong
        return key

    async def guest_key(self) -> ApiKey:
        """Returns the guests' key, for the upload page, on which nobody enters a key.

        Raises `GuestsRefused` if guests may not upload, `KeyUnusable` if their key may not, `CatalogUnavailable`.
        """
        if not self._guests_upload:
            raise GuestsRefused
        if remembered := self._remembered(self._guest_hash):
            return remembered
        key = await self._catalog.keys.by_hash(self._guest_hash)
        if key is None:  # another node has been started with another `api.key`
            raise GuestsRefused
        return self._usable(key)

    def _remembered(self, key_hash: bytes) -> ApiKey | None:
        """Returns the API key with this hash if the catalog remembers it from a moment ago, and it may upload.

        A remembered key is accepted without a query. If the remembered key may not upload, or none is remembered, the
        caller asks the database, so that a key that was just added or enabled works at once. If another node has
        disabled the key meanwhile, the catalog finds out when it reserves the picture.
        """
        key = self._catalog.keys.remembered(key_hash)
        with suppress(KeyUnusable):
            return key and self._usable(key)
        return None

    def _administering(self, key: ApiKey) -> ApiKey:
        """Returns *key* and notes its use. Raises `KeyUnusable` if it may not administer now."""
        key.check_alive(self._now())
        if key.scope is not Scope.ADMIN:
            raise KeyUnusable("this API key may upload, but not administer; make one with `--scope admin`")
        self._touch(key)
        return key

    def _usable(self, key: ApiKey) -> ApiKey:
        """Returns *key* and notes its use. Raises `KeyUnusable` if it may not upload now, `QuotaUsedUp`."""
        key.check_alive(self._now())
        pictures = key.quota_pictures is not None and key.pictures >= key.quota_pictures
        if pictures or (key.quota_bytes is not None and key.bytes >= key.quota_bytes):
            raise QuotaUsedUp(guests=key.name == GUEST)
        self._touch(key)
        return key

    def _touch(self, key: ApiKey) -> None:
        """Stores the time at which *key* was used, at most once in `TOUCH_EVERY`.

        A task does it: the request goes on meanwhile, and does not fail if the catalog cannot be written.
        """
        recent = key.last_used is not None and self._now() - key.last_used < TOUCH_EVERY
        if not recent and key.name not in self._touching:
            task = self._touching[key.name] = asyncio.create_task(self._note_use(key.name))
            task.add_done_callback(lambda _: self._touching.pop(key.name))

    async def _note_use(self, name: str) -> None:
        try:
            await self._catalog.keys.touch(name, self._now())
        except ImgesError as error:
            log.warning("the last use of the API key %s was not noted: %s", name, error)


def _disks(settings: Settings) -> list[Path]:
    """Returns the folders below which uploads are written: the data folder and the root of a local storage."""
    place = settings.storages[settings.storage]
    return [settings.data_dir, *([Path(place["root"])] if place["type"] == "datefolder" else [])]
