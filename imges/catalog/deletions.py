"""Deletions: published → deleting → tombstone. A deleting picture answers 410 while its objects are being deleted."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, func, select, update

from imges.catalog.database import Database
from imges.catalog.removal import remove
from imges.catalog.rows import IMAGE
from imges.catalog.statements import change_images, claim_images, select_images
from imges.catalog.tables import IS_DELETING, images
from imges.catalog.types import Image, State


class Deletions:
    """Begins deletions, lists those that were begun, and finishes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, number: int) -> Image | None:
        """Change the picture from published to deleting. Returns `None` if it was not published.

        Returns the row as it is now: a migration may have moved the picture since the caller read it.
        """
        return next(iter(await self._database.write(lambda connection: _begin(connection, [number]))), None)

    async def begin_all(self, ids: Sequence[str]) -> list[Image]:
        """Change those of *ids* that are published to deleting, and return them."""
        statement = select(images.c.number).where(images.c.id.in_(ids))
        return await self._database.write(lambda connection: _begin(connection, connection.scalars(statement).all()))

    async def begin_expired(self, now: datetime, *, limit: int) -> list[Image]:
        """Change published pictures that have expired by *now* to deleting, and return them."""
        ended = (
            select(images.c.number)
            .where(images.c.expires <= now, images.c.state == State.PUBLISHED)
            .order_by(images.c.expires)
            .limit(limit)
        )
        return await self._database.write(claim_images(ended, state=State.DELETING))

    async def begun(self, *, limit: int, after: int = 0) -> list[Image]:
        """Return deleting rows by number, those above *after*: deletions in progress, and what a crash left of them.

        Two processes may delete the same one: the object keys of these rows are never given to another picture.
        """
        statement = select(*IMAGE).where(IS_DELETING, images.c.number > after).order_by(images.c.number).limit(limit)
        return await self._database.read(select_images(statement))

    async def count(self) -> int:
        """Return how many pictures are deleting."""
        statement = select(func.count()).select_from(images).where(IS_DELETING)
        return await self._database.read(lambda connection: connection.execute(statement).scalar_one())

    async def finish(self, number: int) -> None:
        """Delete a deleting row. The hashes of its id and keys stay as tombstones and answer 410.

        Fine if there is no such row.
        """
        await self._database.write(partial(remove, number=number, state=State.DELETING, free_keys=False))


def _begin(connection: Connection, numbers: Sequence[int]) -> list[Image]:
    statement = update(images).where(images.c.number.in_(numbers), images.c.state == State.PUBLISHED)
    return change_images(statement.values(state=State.DELETING))(connection)
