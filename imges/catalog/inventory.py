"""Rows of every state, and which row an object key belongs to: what `fsck` and others compare with the storage."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select

from imges.catalog.database import Database
from imges.catalog.rows import IMAGE, image_of
from imges.catalog.tables import images, leases, unique_keys
from imges.catalog.types import UNHEARD, Kept
from imges.catalog.unique_keys import KeyHashes


class Inventory:
    """Reads rows of every state."""

    def __init__(self, database: Database, hashes: KeyHashes, now: Callable[[], datetime]) -> None:
        self._database = database
        self._hashes = hashes
        self._now = now

    async def page(self, *, after: int = 0, limit: int) -> list[Kept]:
        """Return rows by number, those above *after*."""
        return await self._kept(self._all().where(images.c.number > after).order_by(images.c.number).limit(limit))

    async def by_numbers(self, numbers: Sequence[int]) -> dict[int, Kept]:
        """Return the rows of these numbers that still exist."""
        return {kept.image.number: kept for kept in await self._kept(self._all().where(images.c.number.in_(numbers)))}

    async def owners(self, keys: Sequence[str]) -> dict[str, Kept | None]:
        """Return the row that each object key belongs to, `None` if it is deleted. Free keys are left out."""
        hashed = {self._hashes.of("object key", key): key for key in keys}
        statement = select(unique_keys.c.hash, unique_keys.c.image).where(unique_keys.c.hash.in_(list(hashed)))
        taken = await self._database.read(lambda connection: connection.execute(statement).all())
        found = await self.by_numbers([number for _, number in taken if number is not None])
        return {hashed[key_hash]: found.get(number) for key_hash, number in taken}

    def _all(self) -> Select[Any]:
        alive = select(leases.c.id).where(leases.c.expires > self._now())
        held = and_(images.c.state.in_(UNHEARD), images.c.lease.in_(alive))
        return select(*IMAGE, func.coalesce(held, False).label("in_flight"))

    async def _kept(self, statement: Select[Any]) -> list[Kept]:
        rows = await self._database.read(lambda connection: connection.execute(statement).mappings().all())
        return [Kept(image_of(row), bool(row["in_flight"])) for row in rows]
