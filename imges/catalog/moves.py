"""Moving pictures from one place to another, for `imges migrate`."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from imges.catalog.database import Database
from imges.catalog.rows import IMAGE
from imges.catalog.statements import is_as_it_was, select_images
from imges.catalog.tables import images
from imges.catalog.types import Image, State


class Moves:
    """Finds the pictures to move, and records where they are afterwards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sums(self, *, to: str, source: str | None, before: datetime | None) -> dict[str, tuple[int, int]]:
        """Return by place how many published pictures can be moved from it *to* another, and the bytes of their files.

        Without *source* they are moved from every other place. With *before* only those created before.
        """
        sums = select(images.c.place, func.count(), func.sum(images.c.stored_bytes)).group_by(images.c.place)
        statement = sums.where(*_movable(to, source, before))
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return {place: (pictures, int(size)) for place, pictures, size in rows}

    async def page(
        self, *, to: str, source: str | None, before: datetime | None, after: int, limit: int
    ) -> list[Image]:
        """Return the pictures of `sums` by number, those above *after*."""
        statement = select(*IMAGE).where(*_movable(to, source, before), images.c.number > after)
        return await self._database.read(select_images(statement.order_by(images.c.number).limit(limit)))

    async def record(self, image: Image, place: str) -> bool:
        """Write into the row of the published *image* that its objects are in *place*.

        Returns false if the row has changed.
        """
        moved = update(images).where(images.c.number == image.number).values(place=place)

        def record(connection: Connection) -> bool:
            return is_as_it_was(connection, image) and connection.execute(moved).rowcount > 0

        return await self._database.write(record)


def _movable(to: str, source: str | None, before: datetime | None) -> list[ColumnElement[bool]]:
    """Hold for published pictures in *source* (`None`: anywhere but in *to*) that were created *before*."""
    conditions = [images.c.state == State.PUBLISHED, images.c.place != to]
    if source is not None:
        conditions.append(images.c.place == source)
    if before is not None:
        conditions.append(images.c.created < before)
    return conditions
