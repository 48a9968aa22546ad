"""API keys: who may upload, and how much. Their text is nowhere, only a keyed hash that the caller makes."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial

from cachetools import TTLCache
from sqlalchemy import Connection, Delete, Update, bindparam, delete, func, or_, select, update

from imges.catalog.database import Database
from imges.catalog.dialects import insert_or_skip
from imges.catalog.rows import api_key_of
from imges.catalog.statements import Statements
from imges.catalog.tables import api_keys, images
from imges.catalog.types import GUEST, ApiKey, ApiKeyNameTaken, GuestStays, NoSuchApiKey, Scope
from imges.catalog.unique_keys import KeyHashes
from imges.errors import SettingsError

TOUCH_EVERY = timedelta(minutes=1)

REMEMBERED = 1000
"""Keys that were just asked for and are kept in memory."""
REMEMBERED_FOR = 1.0
"""Seconds."""

_BY_HASH = select(api_keys).where(api_keys.c.hash == bindparam("wanted"))


class ApiKeys(Statements):
    def __init__(self, database: Database, hashes: KeyHashes, now: Callable[[], datetime]) -> None:
        super().__init__(database, hashes, now)
        self.on_keys_changed: Callable[[], None] = lambda: None
        """Hears that keys have been changed here, for other processes of this machine."""
        self._touched: dict[str, datetime] = {}
        self._remembered = TTLCache[bytes, ApiKey](REMEMBERED, REMEMBERED_FOR)
        self._forgotten = 0

    async def add_key(self, key: ApiKey, key_hash: bytes) -> ApiKey:
        """The new *key*, as it stands in the catalog: pictures left by a revoked one of its name count to it.

        Raises: ApiKeyNameTaken.
        """
        added = await self._database.write(lambda connection: _add(connection, key, key_hash))
        self._changed_keys()
        if added is None:
            raise ApiKeyNameTaken(key.name)
        return added

    async def ensure_guest(self, key_hash: bytes, quota_bytes: int | None) -> ApiKey:
        """The key named guest, with this hash and quota, whatever they were before; it stays disabled if it was.

        Raises: SettingsError where another key has this hash.
        """
        guest = await self._database.write(partial(_ensure_guest, key_hash, quota_bytes, self._now()))
        self._changed_keys()
        return guest

    async def keys(self) -> list[ApiKey]:
        """All keys, by name."""
        statement = select(api_keys).order_by(api_keys.c.name)
        rows = await self._database.read(lambda connection: connection.execute(statement).mappings().all())
        return [api_key_of(row) for row in rows]

    async def key_by_hash(self, key_hash: bytes) -> ApiKey | None:
        """The key of that hash, be it disabled, expired or used up: that is for the caller to judge."""
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

    def remembered_key(self, key_hash: bytes) -> ApiKey | None:
        """The key of that hash as `key_by_hash` found it within the last second; `None` where it is to be asked.

        What it says in the key's favour may be out of date by that: who uploads is held to the row by `reserve`.
        """
        return self._remembered.get(key_hash)

    def forget_keys(self) -> None:
        """Keys may have been changed: they are looked up again."""
        self._forgotten += 1
        self._remembered.clear()

    async def set_key_enabled(self, name: str, *, enabled: bool) -> None:
        """Raises: NoSuchApiKey."""
        statement = update(api_keys).where(api_keys.c.name == name).values(enabled=enabled)
        await self._change_key(name, statement)

    async def remove_key(self, name: str) -> None:
        """Revoke the key; its pictures stay. Raises: GuestStays, NoSuchApiKey."""
        if name == GUEST:
            raise GuestStays
        await self._change_key(name, delete(api_keys).where(api_keys.c.name == name))

    async def _change_key(self, name: str, statement: Update | Delete) -> None:
        if not await self._rows_changed(statement):
            raise NoSuchApiKey(name)
        self._changed_keys()

    def _changed_keys(self) -> None:
        self.forget_keys()
        self.on_keys_changed()

    async def touch_key(self, name: str, now: datetime) -> None:
        """The key was used *now*; written once a minute at most."""
        if name in self._touched and now - self._touched[name] < TOUCH_EVERY:
            return
        self._touched[name] = now
        used = api_keys.c.last_used
        statement = update(api_keys).where(api_keys.c.name == name, or_(used.is_(None), used <= now - TOUCH_EVERY))
        await self._rows_changed(statement.values(last_used=now))


def _add(connection: Connection, key: ApiKey, key_hash: bytes) -> ApiKey | None:
    """`None`: there is one of that name."""
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
