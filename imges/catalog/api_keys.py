"""API keys: who may upload, and how much. The catalog stores a keyed hash that the caller makes, never the text."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial

from cachetools import TTLCache
from sqlalchemy import Connection, bindparam, delete, func, or_, select, update

from imges.catalog.database import Database
from imges.catalog.dialects import insert_or_skip
from imges.catalog.ended_sessions import end_sessions
from imges.catalog.rows import api_key_of
from imges.catalog.statements import count_changed
from imges.catalog.tables import api_keys, images
from imges.catalog.types import GUEST, ApiKey, ApiKeyNameTaken, GuestStays, NoSuchApiKey, Scope
from imges.errors import SettingsError

TOUCH_EVERY = timedelta(minutes=1)

REMEMBERED = 1000
"""Keys at most that are kept in memory after they were read."""
REMEMBERED_FOR = 1.0
"""Seconds."""

_BY_HASH = select(api_keys).where(api_keys.c.hash == bindparam("wanted"))


class ApiKeys:
    """Adds, finds, changes and revokes API keys."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self.on_change: Callable[[], None] = lambda: None
        """Called after a key was changed here; the other processes of this machine then forget what they remember."""
        self._touched: dict[str, datetime] = {}
        self._remembered = TTLCache[bytes, ApiKey](REMEMBERED, REMEMBERED_FOR)
        self._forgotten = 0

    async def add(self, key: ApiKey, key_hash: bytes) -> ApiKey:
        """Add *key* and return it as it stands in the catalog. Raises `ApiKeyNameTaken`.

        Pictures of a revoked key with the same name count as its own.
        """
        added = await self._database.write(lambda connection: _add(connection, key, key_hash))
        self._changed()
        if added is None:
            raise ApiKeyNameTaken(key.name)
        return added

    async def ensure_guest(self, key_hash: bytes, quota_bytes: int | None) -> ApiKey:
        """Add the key named guest, or give it this hash and quota, and return it. A disabled one stays disabled.

        Raises `SettingsError` if another key has this hash.
        """
        guest = await self._database.write(partial(_ensure_guest, key_hash, quota_bytes, self._now()))
        self._changed()
        return guest

    async def all(self) -> list[ApiKey]:
        """Return all keys, by name."""
        statement = select(api_keys).order_by(api_keys.c.name)
        rows = await self._database.read(lambda connection: connection.execute(statement).mappings().all())
        return [api_key_of(row) for row in rows]

    async def by_hash(self, key_hash: bytes) -> ApiKey | None:
        """Return the key of that hash, also if it is disabled, expired or used up: the caller checks that."""
        wanted, forgotten = {"wanted": key_hash}, self._forgotten
        row = await self._database.read(
            lambda connection: connection.execute(_BY_HASH, wanted).mappings().one_or_none()
        )
        if row is None:
            return None
        key = api_key_of(row)
        if forgotten == self._forgotten:  # else it may have changed while it was read
            self._remembered[key_hash] = key
        return key

    def remembered(self, key_hash: bytes) -> ApiKey | None:
        """Return the key of that hash if `by_hash` read it within the last second, else `None`.

        Since then it may have been disabled or used up. `images.reserve` checks an upload against the row.
        """
        return self._remembered.get(key_hash)

    def forget_remembered(self) -> None:
        """Forget the remembered keys, because some may have been changed."""
        self._forgotten += 1
        self._remembered.clear()

    async def set_enabled(self, name: str, *, enabled: bool) -> None:
        """Enable or disable the key. Raises `NoSuchApiKey`.

        Disabling ends the sessions that were begun with the key. They stay ended if the key is enabled again.
        """
        statement = update(api_keys).where(api_keys.c.name == name).values(enabled=enabled).returning(api_keys.c.hash)

        def work(connection: Connection) -> bool:
            key_hash = connection.scalar(statement)
            if key_hash is not None and not enabled:
                end_sessions(connection, key_hash, self._now())
            return key_hash is not None

        await self._change(name, work)

    async def remove(self, name: str) -> None:
        """Revoke the key; its pictures stay. Raises `GuestStays`, `NoSuchApiKey`."""
        if name == GUEST:
            raise GuestStays
        await self._change(name, count_changed(delete(api_keys).where(api_keys.c.name == name)))

    async def _change(self, name: str, work: Callable[[Connection], int]) -> None:
        if not await self._database.write(work):
            raise NoSuchApiKey(name)
        self._changed()

    def _changed(self) -> None:
        self.forget_remembered()
        self.on_change()

    async def touch(self, name: str, now: datetime) -> None:
        """Store that the key was used *now*. Writes once a minute at most."""
        if name in self._touched and now - self._touched[name] < TOUCH_EVERY:
            return
        self._touched[name] = now
        used = api_keys.c.last_used
        statement = update(api_keys).where(api_keys.c.name == name, or_(used.is_(None), used <= now - TOUCH_EVERY))
        await self._database.write(count_changed(statement.values(last_used=now)))


def _add(connection: Connection, key: ApiKey, key_hash: bytes) -> ApiKey | None:
    """Returns `None` if there is a key of that name."""
    held = select(func.count(), func.coalesce(func.sum(images.c.stored_bytes), 0)).where(images.c.api_key == key.name)
    pictures, size = connection.execute(held).one()
    key = replace(key, pictures=pictures, bytes=size)
    row = asdict(key) | {"hash": key_hash}
    return key if connection.execute(insert_or_skip(connection, api_keys), row).first() else None


def _ensure_guest(key_hash: bytes, quota_bytes: int | None, now: datetime, connection: Connection) -> ApiKey:
    other = connection.scalar(select(api_keys.c.name).where(api_keys.c.hash == key_hash, api_keys.c.name != GUEST))
    if other is not None:
        raise SettingsError(f"api.key is the API key named {other} already; the key of guests must be another")
    statement = update(api_keys).where(api_keys.c.name == GUEST).values(hash=key_hash, quota_bytes=quota_bytes)
    returning = statement.returning(api_keys)
    row = connection.execute(returning).mappings().one_or_none()
    if row is None:
        _add(connection, ApiKey(GUEST, Scope.UPLOAD, created=now), key_hash)
        row = connection.execute(returning).mappings().one()
    return api_key_of(row)
