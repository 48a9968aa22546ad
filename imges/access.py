"""Who may upload, and how much: API keys, their quotas, limits per client address, and the disk's reserve.

A quota is only looked at here, to refuse early; what cannot be raced is the catalog's own count when it reserves.
"""

import asyncio
import hashlib
import hmac
import logging
import math
import os
import re
import secrets
import string
import tempfile
import time
from array import array
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Self

from cachetools import TLRUCache
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter

from imges.catalog import GUEST, ApiKey, Catalog, Scope, utc_now
from imges.errors import (
    BadParameter,
    Blocked,
    Busy,
    DiskReserve,
    GuestsRefused,
    ImgesError,
    KeyUnusable,
    KeyWrong,
    QuotaUsedUp,
    SettingsError,
    SpoolUnavailable,
    TooManyRequests,
)
from imges.options import Rate
from imges.settings import Settings

log = logging.getLogger(__name__)

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Clock = Callable[[], float]

BASE62 = string.digits + string.ascii_letters
KEY_LENGTH = 40
TOUCH_EVERY = timedelta(minutes=1)
"""How exact `last_used` of a key is."""


def make_key() -> str:
    """The text of a new key: 238 random bits in base 62."""
    return "".join(secrets.choice(BASE62) for _ in range(KEY_LENGTH))


def check_key_name(name: str) -> None:
    """Whether a key can have this *name*. Raises: BadParameter."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", name):
        raise BadParameter("names of keys are made of letters, digits and ._@- (at most 64)")


class KeyRing:
    """The API keys of the catalog, which holds none of their texts: they are found by a hash keyed with its secret."""

    def __init__(self, catalog: Catalog, secret: bytes) -> None:
        self._catalog = catalog
        self._secret = secret

    @classmethod
    async def open(cls, catalog: Catalog) -> Self:
        return cls(catalog, await catalog.secret("api_key_hash", lambda: os.urandom(32)))

    def hash(self, key: str | bytes) -> bytes:
        """HMAC-SHA256 of *key*; text of any content, lone surrogates too, is hashed as UTF-8."""
        data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
        return hmac.digest(self._secret, data, hashlib.sha256)

    async def find(self, key: str | bytes) -> ApiKey | None:
        """The key with this text, whether or not it may be used.

        Nothing is compared with the text: what a lookup's time could tell is about a hash that nobody can compute.
        """
        return await self._catalog.key_by_hash(self.hash(key))

    async def add(
        self,
        name: str,
        scope: Scope = Scope.UPLOAD,
        *,
        quota_pictures: int | None = None,
        quota_bytes: int | None = None,
        expires: datetime | None = None,
    ) -> str:
        """The text of a new key, which nobody can read again. Raises: ApiKeyNameTaken."""
        text = make_key()
        key = ApiKey(name, scope, utc_now(), expires=expires, quota_pictures=quota_pictures, quota_bytes=quota_bytes)
        await self._catalog.add_key(key, self.hash(text))
        return text


# The guests' key


def key_file(data_dir: Path) -> Path:
    """Where a generated key of guests is kept for the operator to read."""
    return data_dir / "api.key"


async def _generated_key(catalog: Catalog, file: Path) -> tuple[bytes, bool]:
    """The key of guests where the settings name none, and whether *file* was written just now.

    The catalog keeps it, so that all nodes have the same; a file that is there before the catalog gives it the key.
    Raises: SettingsError where the file cannot be read or written.
    """
    try:
        found = await asyncio.to_thread(_read_key, file)
        key = await catalog.secret("guest_key", lambda: found or make_key().encode())
        if found == key:
            return key, False
        if found:
            log.warning("%s did not hold the guests' key, it is written anew; to choose a key, set api.key", file)
        await asyncio.to_thread(_write_durably, file, key + b"\n")
    except OSError as error:
        raise SettingsError(f"data_dir is '{file.parent}': {file.name} cannot be used ({error.strerror})") from error
    return key, True


def _read_key(file: Path) -> bytes | None:
    """What *file* holds, without white space around; `None` where there is nothing. Raises: OSError."""
    try:
        return file.read_bytes().strip() or None
    except FileNotFoundError:
        return None


def _write_durably(file: Path, content: bytes) -> None:
    """*content* in *file*, readable by us alone (0600): all of it or what was there before. Raises: OSError."""
    handle, staged = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "wb") as writing:
            writing.write(content)
            writing.flush()
            os.fsync(handle)
        Path(staged).replace(file)
    except BaseException:
        Path(staged).unlink()
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# Limits per address


class LocalCounts(MemoryStorage):
    """Moving windows in the memory of this process.

    The library's own reads the wall clock, which can be set back, and looks through every address at each hit. Here
    the least recently seen addresses are forgotten when there are too many, so nobody can fill the memory.
    """

    ADDRESSES = 20_000

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._windows: TLRUCache[str, _Window] = TLRUCache(
            self.ADDRESSES, ttu=lambda _key, window, now: now + window.seconds, timer=clock
        )

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        window = self._windows.get(key) or _Window(expiry)
        now = self._clock()
        window.forget_old(now)
        if len(window.hits) + amount > limit:
            return False
        window.hits.extend([now] * amount)
        self._windows[key] = window
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002  (the library's signature)
        window = self._windows.get(key) or _Window(expiry)
        now = self._clock()
        window.forget_old(now)
        age = now - window.hits[0] if window.hits else 0.0
        return time.time() - age, len(window.hits)


@dataclass(slots=True)
class _Window:
    """When the hits of the last *seconds* were, the oldest first."""

    seconds: int
    hits: "array[float]" = field(default_factory=lambda: array("d"))  # a quarter of a list's memory

    def forget_old(self, now: float) -> None:
        del self.hits[: bisect_right(self.hits, now - self.seconds)]


class Pseudonyms:
    """What clients are counted under: their addresses are kept nowhere, be it in memory or in Redis.

    They are hashed with a *secret* and the day (UTC), so that those of one day lead to nobody the next. All nodes give
    the same; counting begins anew at midnight.
    """

    def __init__(self, secret: bytes, now: Callable[[], datetime]) -> None:
        self._secret = secret
        self._now = now

    def of(self, address: IPAddress) -> str:
        day = self._now().date().isoformat()
        return hmac.digest(self._secret, f"{day} {client_network(address)}".encode(), hashlib.sha256).hex()[:32]


class AddressLimit:
    """At most *rate* for each client address; `None`: as many as they like. *what* is counted, in the plural."""

    def __init__(self, limiter: MovingWindowRateLimiter, pseudonyms: Pseudonyms, rate: Rate | None, what: str) -> None:
        self._limiter = limiter
        self._pseudonyms = pseudonyms
        self._what = what
        self.set(rate)

    def set(self, rate: Rate | None) -> None:
        """Count by another *rate* from now on."""
        self._item = rate and RateLimitItemPerSecond(rate.count, math.ceil(rate.per.total_seconds()), self._what)

    async def hit(self, address: IPAddress | None) -> None:
        """Count one more. Raises: TooManyRequests, and what is refused is not counted.

        No address is a client of the unix socket that no proxy speaks for: a program of this machine, without limit.
        """
        if self._item is None or address is None:
            return
        client = self._pseudonyms.of(address)
        if not await self._limiter.hit(self._item, client):
            stats = await self._limiter.get_window_stats(self._item, client)
            raise TooManyRequests(self._what, max(1, math.ceil(stats.reset_time - time.time())))


def client_network(address: IPAddress) -> str:
    """Whom an address stands for: one of IPv6 can be changed at will within its /64."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))


# The disk


class Reserve:
    """Room that uploads leave free on the disks of *folders*, in bytes, and what those on their way may still fill."""

    LOOK_EVERY = 1.0
    """Seconds that an answer counts for."""
    PATIENCE = 5.0
    """Seconds that an upload waits for others to give back the room that was promised to them."""
    COPIES = 2
    """An upload takes its size on the spool and, with its thumb and medium, once more where it is stored."""

    def __init__(self, folders: Iterable[Path], reserve: int, clock: Clock) -> None:
        self._folders = [folder.absolute() for folder in folders]
        self.reserve = reserve
        self._clock = clock
        self._looked = -math.inf
        self._free = 0
        self._promised = 0
        self._given_back = asyncio.Event()

    async def check(self) -> None:
        """Raises: DiskReserve; SpoolUnavailable where a disk cannot be asked."""
        await self._look()
        if self._free < self.reserve:
            raise DiskReserve

    async def _look(self) -> None:
        if self._clock() - self._looked >= self.LOOK_EVERY:
            try:
                self._free = await asyncio.to_thread(lambda: min(map(free_bytes, self._folders)))
            except OSError as error:
                raise SpoolUnavailable from error
            self._looked = self._clock()

    @asynccontextmanager
    async def room(self, size: int) -> AsyncGenerator["Room"]:
        """Room for an upload that is to have *size* bytes, for as long as it is on its way.

        There is that much now, but none of it is promised yet: see `Room.extend`. Who announces much and sends little
        takes nobody's room.

        Raises: DiskReserve where there is none, Busy where it is promised to others who take their time,
        SpoolUnavailable.
        """
        await self._fitting(size * self.COPIES)
        room = Room(self)
        try:
            yield room
        finally:
            self._promised -= room.promised * self.COPIES
            self._given_back.set()

    async def promise(self, size: int, *, to_who_has: int) -> None:
        """*size* bytes more of an upload are to come. Raises as `room` does."""
        await self._fitting(size * self.COPIES, to_who_has * self.COPIES)
        self._promised += size * self.COPIES

    async def _fitting(self, size: int, own: int = 0) -> None:
        if await self._fits(size, own):
            return
        try:
            async with asyncio.timeout(self.PATIENCE):
                while not await self._fits(size, own):
                    self._given_back.clear()
                    await self._given_back.wait()
        except TimeoutError as error:
            raise Busy from error

    async def _fits(self, size: int, own: int) -> bool:
        """Raises: DiskReserve where it would not even if all others had ended, of what is promised but our *own*."""
        await self.check()
        left = self._free - self.reserve - size
        if left < own:
            raise DiskReserve
        return left >= self._promised


@dataclass(slots=True)
class Room:
    """What an upload may fill: *promised* bytes so far."""

    reserve: Reserve
    promised: int = 0

    async def extend(self, size: int) -> None:
        """It is to have *size* bytes in all. Raises: DiskReserve, Busy, SpoolUnavailable."""
        if size > self.promised:
            await self.reserve.promise(size - self.promised, to_who_has=self.promised)
            self.promised = size


def free_bytes(folder: Path) -> int:
    """What we may still write on the disk of *folder*, or of where it will be made. Raises: OSError."""
    try:
        disk = os.statvfs(folder)
    except FileNotFoundError:
        return free_bytes(folder.parent)
    return disk.f_bavail * disk.f_frsize


# All together


class Access:
    """Who may upload; opened with `Access.open`."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        *,
        keys: KeyRing,
        guest_hash: bytes,
        pseudonyms: Pseudonyms,
        now: Callable[[], datetime],
        clock: Clock,
        counts: Storage,
    ) -> None:
        limiter = MovingWindowRateLimiter(counts)
        self.new_key_file: Path | None = None
        """The file of the guests' key, where it was written just now."""
        self._guests_upload = settings.api.guest_uploads
        self._catalog = catalog
        self.keys = keys
        self._guest_hash = guest_hash
        self._now = now
        self._uploads = AddressLimit(limiter, pseudonyms, settings.limits.uploads, "uploads")
        self._wrong_keys = AddressLimit(limiter, pseudonyms, settings.limits.wrong_keys, "wrong API keys")
        self._reserve = Reserve(_disks(settings), settings.limits.disk_reserve, clock)
        self._touching: dict[str, asyncio.Task[None]] = {}

    def follow(self, settings: Settings) -> None:
        """Go by *settings* from now on, as far as limits and guests are concerned."""
        self._guests_upload = settings.api.guest_uploads
        self._uploads.set(settings.limits.uploads)
        self._wrong_keys.set(settings.limits.wrong_keys)
        self._reserve.reserve = settings.limits.disk_reserve

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        catalog: Catalog,
        now: Callable[[], datetime] = utc_now,
        clock: Clock = time.monotonic,
        counts: Storage | None = None,
    ) -> AsyncGenerator[Self]:
        """Access by *settings*. *now* is the clock of expiry, *clock* (in seconds) that of the limits.

        *counts* is where hits are counted, if not in the memory of this process.

        Raises: SettingsError, CatalogUnavailable.
        """
        keys = await KeyRing.open(catalog)
        file, written = key_file(settings.data_dir), False
        guest_key: str | bytes | None = settings.api.key
        if guest_key is None:
            guest_key, written = await _generated_key(catalog, file)
        guest_hash = keys.hash(guest_key)
        await catalog.ensure_guest(guest_hash, settings.limits.guest_bytes)
        pseudonyms = Pseudonyms(await catalog.secret("limits", lambda: os.urandom(32)), now)
        access = cls(
            settings,
            catalog,
            keys=keys,
            guest_hash=guest_hash,
            pseudonyms=pseudonyms,
            now=now,
            clock=clock,
            counts=LocalCounts(clock) if counts is None else counts,
        )
        access.new_key_file = file if written else None
        try:
            yield access
        finally:
            await asyncio.gather(*access._touching.values())

    async def admit_upload(self, address: IPAddress | None) -> None:
        """Whether one more upload from *address* is taken at all.

        Raises: Blocked, TooManyRequests, DiskReserve, SpoolUnavailable, CatalogUnavailable.
        """
        if address is not None and await self._catalog.is_blocked(address=str(address)):
            raise Blocked("uploads from your address")
        await self._uploads.hit(address)
        await self._reserve.check()

    def room(self, size: int) -> AbstractAsyncContextManager[Room]:
        """See `Reserve.room`."""
        return self._reserve.room(size)

    async def identify(self, presented: str | bytes | None, address: IPAddress | None) -> ApiKey:
        """The key that *presented* is the text of. Raises: KeyWrong, KeyUnusable, CatalogUnavailable.

        Too many wrong ones from an address: TooManyRequests instead of KeyWrong; a right one is always taken.
        """
        remembered = self._remembered(self.keys.hash(presented)) if presented else None
        return remembered or self._usable(await self._known(presented, address))

    async def administrator(self, presented: str | bytes | None, address: IPAddress | None) -> ApiKey:
        """The same for who administers; a used-up quota is no hindrance, for they may want to delete."""
        return self._administering(await self._known(presented, address))

    async def administrator_of(self, key_hash: bytes) -> ApiKey:
        """The key of this hash, if its holder may administer now. Raises: KeyWrong, KeyUnusable, CatalogUnavailable."""
        key = await self._catalog.key_by_hash(key_hash)
        if key is None:
            raise KeyWrong
        return self._administering(key)

    async def _known(self, presented: str | bytes | None, address: IPAddress | None) -> ApiKey:
        """Raises: KeyWrong, TooManyRequests, CatalogUnavailable."""
        key = await self.keys.find(presented) if presented else None
        if key is None:
            await self._wrong_keys.hit(address)
            raise KeyWrong
        return key

    async def guest(self) -> ApiKey:
        """The key of the upload page, which asks for none. Raises: GuestsRefused, KeyUnusable, CatalogUnavailable."""
        if not self._guests_upload:
            raise GuestsRefused
        if remembered := self._remembered(self._guest_hash):
            return remembered
        key = await self._catalog.key_by_hash(self._guest_hash)
        if key is None:  # another node was given another `api.key` since
            raise GuestsRefused
        return self._usable(key)

    def _remembered(self, key_hash: bytes) -> ApiKey | None:
        """The key of this hash, if it could upload a moment ago: memory says yes alone, for a no the catalog is asked.

        What has changed elsewhere meanwhile is found by `Catalog.reserve`.
        """
        key = self._catalog.remembered_key(key_hash)
        with suppress(KeyUnusable):
            return key and self._usable(key)
        return None

    def _administering(self, key: ApiKey) -> ApiKey:
        """*key*, if it may administer now. Raises: KeyUnusable."""
        key.check_alive(self._now())
        if key.scope is not Scope.ADMIN:
            raise KeyUnusable("this API key may upload, but not administer; make one with `--scope admin`")
        self._touch(key)
        return key

    def _usable(self, key: ApiKey) -> ApiKey:
        """*key*, if it may upload now. Raises: KeyUnusable, QuotaUsedUp."""
        key.check_alive(self._now())
        pictures = key.quota_pictures is not None and key.pictures >= key.quota_pictures
        if pictures or (key.quota_bytes is not None and key.bytes >= key.quota_bytes):
            raise QuotaUsedUp(guests=key.name == GUEST)
        self._touch(key)
        return key

    def _touch(self, key: ApiKey) -> None:
        """Note that *key* is used, now and then, while its request goes on."""
        recent = key.last_used is not None and self._now() - key.last_used < TOUCH_EVERY
        if not recent and key.name not in self._touching:
            task = self._touching[key.name] = asyncio.create_task(self._note_use(key.name))
            task.add_done_callback(lambda _: self._touching.pop(key.name))

    async def _note_use(self, name: str) -> None:
        try:
            await self._catalog.touch_key(name, self._now())
        except ImgesError as error:
            log.warning("the last use of the API key %s was not noted: %s", name, error)


def _disks(settings: Settings) -> list[Path]:
    """Folders that uploads are written below."""
    place = settings.storages[settings.storage]
    return [settings.data_dir, *([Path(place["root"])] if place["type"] == "datefolder" else [])]
