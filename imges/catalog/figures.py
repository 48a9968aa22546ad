"""Figures of all pictures: by place, format, API key and day."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVarTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    func,
    literal_column,
    select,
    type_coerce,
)

from imges.catalog.columns import EPOCH, MICROSECOND
from imges.catalog.database import Database
from imges.catalog.statements import by_index
from imges.catalog.statistics import Statistics
from imges.catalog.tables import files, images
from imges.catalog.types import PlaceUse, Role, State

T = TypeVarTuple("T")

_ORIGINAL = and_(files.c.image == images.c.number, files.c.version == images.c.version, files.c.role == Role.ORIGINAL)
"""Joins a picture with the file of its original."""


class Figures:
    """Counts pictures and bytes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_place(self) -> dict[str, int]:
        """Return how many pictures each place has, in any state."""
        statement = select(images.c.place, func.count().label("pictures")).group_by(images.c.place)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return {row.place: row.pictures for row in rows}

    async def use_of_places(self) -> list[PlaceUse]:
        """Return what each place holds of published pictures, by its name."""
        statement = (
            select(images.c.place, func.count(), func.sum(images.c.stored_bytes))
            .where(images.c.state == State.PUBLISHED)
            .group_by(images.c.place)
            .order_by(images.c.place)
        )
        rows = await self._rows(by_index(statement, "images_search"))
        return [PlaceUse(place, count, int(size)) for place, count, size in rows]

    async def by_day(self, since: datetime) -> dict[int, int]:
        """Return how many published pictures were uploaded on each day after *since*; the first day is 0."""
        start = (since - EPOCH) // MICROSECOND
        day = (type_coerce(images.c.created, BigInteger) - start) // (timedelta(days=1) // MICROSECOND)
        statement = (
            select(day, func.count()).where(images.c.created >= since, images.c.state == State.PUBLISHED).group_by(day)
        )
        rows = await self._rows(by_index(statement, "images_search"))
        return {int(number): count for number, count in rows}

    async def statistics(self) -> Statistics:
        """Return all that `imges stats` shows."""
        return await self._database.read(_statistics)

    async def _rows(self, statement: Select[*T]) -> Sequence[Row[*T]]:
        return await self._database.read(lambda connection: connection.execute(statement).all())


def _statistics(connection: Connection) -> Statistics:
    pictures, size = func.count(), func.coalesce(func.sum(images.c.stored_bytes), 0)
    published = images.c.state == State.PUBLISHED

    def grouped(column: ColumnElement[Any], rows: FromClause = images) -> dict[Any, tuple[int, int]]:
        sums = select(column, pictures, size).select_from(rows).where(published).group_by(column)
        return {name: (count, int(total)) for name, count, total in connection.execute(sums)}

    views = func.coalesce(func.sum(images.c.views), 0)
    count, total, seen = connection.execute(select(pictures, size, views).where(published)).one()
    day = type_coerce(images.c.created, BigInteger) // literal_column("86400000000")  # microseconds
    days = {(EPOCH + timedelta(days=number)).date().isoformat(): sums for number, sums in grouped(day).items()}
    places, api_keys = grouped(images.c.place), grouped(images.c.api_key)
    formats = grouped(files.c.media_type, images.join(files, _ORIGINAL))
    return Statistics(count, int(total), int(seen), places, formats, api_keys, days)
