"""Looking for pictures among a million: by name, key, address, digest, size and date, newest first, page by page.

What few pictures have is found by its own index, and sorted. Everything else is found by reading one index from its
newest end, until a page is full: `images_search` holds all that can be asked for, so no row is read that is not shown.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVarTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Select, func, select, tuple_, type_coerce, update

from imges.catalog.columns import EPOCH, MICROSECOND
from imges.catalog.networks import sent_from
from imges.catalog.rows import image_of, search_text
from imges.catalog.statements import Statements
from imges.catalog.tables import IS_DELETING, images
from imges.catalog.types import Cursor, Image, PlaceUse, Search, State

FEW = 10_000
"""Entries of an index up to which they are fetched and sorted, in some hundredths of a second."""

T = TypeVarTuple("T")

MOST = 2**62
"""Bytes that no picture has."""

_IMAGE = images.c


class Searches(Statements):
    async def found(
        self, search: Search, *, limit: int, older_than: Cursor | None = None, newer_than: Cursor | None = None
    ) -> list[Image]:
        """The newest *limit* pictures of *search* that are *older_than*; or the oldest of those that are *newer_than*.

        In any case the newest stands first.
        """

        def look(connection: Connection) -> list[Image]:
            place = tuple_(_IMAGE.created, _IMAGE.number)
            statement = _numbers(connection, search)
            if older_than is not None:
                statement = statement.where(place < (older_than.created, older_than.number))
            if newer_than is not None:
                statement = statement.where(place > (newer_than.created, newer_than.number))
                statement = statement.order_by(_IMAGE.created, _IMAGE.number)
            else:
                statement = statement.order_by(_IMAGE.created.desc(), _IMAGE.number.desc())
            return _images(connection, connection.scalars(statement.limit(limit)).all())

        return await self._database.read(look)

    async def count_found(self, search: Search) -> int:
        """How many pictures *search* finds; a few tenths of a second where there are a million."""

        def count(connection: Connection) -> int:
            return connection.execute(
                select(func.count()).select_from(_numbers(connection, search, all_of_them=True).subquery())
            ).scalar_one()

        return await self._database.read(count)

    async def newest_number(self) -> int:
        """The highest number of a picture; 0 where there is none."""
        statement = select(func.coalesce(func.max(_IMAGE.number), 0))
        return await self._database.read(lambda connection: connection.execute(statement).scalar_one())

    async def mark_all_deleting(self, ids: Sequence[str]) -> list[Image]:
        """From published to deleting: those of *ids* that are published."""
        statement = select(_IMAGE.number).where(_IMAGE.id.in_(ids))
        return await self._database.write(lambda connection: _marked(connection, connection.scalars(statement).all()))

    async def count_deleting(self) -> int:
        """How many pictures are about to go."""
        statement = select(func.count()).select_from(images).where(IS_DELETING)
        return await self._database.read(lambda connection: connection.execute(statement).scalar_one())

    async def by_ids(self, ids: Sequence[str]) -> list[Image]:
        """Those of *ids* that are published, newest first."""
        statement = select(_IMAGE.number).where(_IMAGE.id.in_(ids), _IMAGE.state == State.PUBLISHED)
        return await self._database.read(lambda connection: _images(connection, connection.scalars(statement).all()))

    # Figures

    async def use_of_places(self) -> list[PlaceUse]:
        """What each storage holds, by its name."""
        statement = (
            select(_IMAGE.place, func.count(), func.sum(_IMAGE.stored_bytes))
            .where(_IMAGE.state == State.PUBLISHED)
            .group_by(_IMAGE.place)
            .order_by(_IMAGE.place)
        )
        rows = await self._rows(_by_index(statement, "images_search"))
        return [PlaceUse(place, count, int(size)) for place, count, size in rows]

    async def days_of_pictures(self, since: datetime) -> dict[int, int]:
        """Published pictures by the days after *since* on which they were uploaded: 0 is the first."""
        start = (since - EPOCH) // MICROSECOND
        day = (type_coerce(_IMAGE.created, BigInteger) - start) // (timedelta(days=1) // MICROSECOND)
        statement = (
            select(day, func.count()).where(_IMAGE.created >= since, _IMAGE.state == State.PUBLISHED).group_by(day)
        )
        rows = await self._rows(_by_index(statement, "images_search"))
        return {int(number): count for number, count in rows}

    async def _rows(self, statement: Select[*T]) -> Sequence[Row[*T]]:
        return await self._database.read(lambda connection: connection.execute(statement).all())


def _numbers(connection: Connection, search: Search, *, all_of_them: bool = False) -> Select[int]:
    """The numbers of what *search* finds, by the index that leads there with the least reading."""
    telling = _telling(search)
    statement = select(_IMAGE.number).where(_IMAGE.state == State.PUBLISHED, *telling.values(), *_bounds(search))
    if search.text is not None:
        statement = statement.where(_IMAGE.search.contains(search_text(search.text), autoescape=True))
    for index, condition in telling.items():
        some = _by_index(select(_IMAGE.number).where(condition).limit(FEW), index).subquery()
        if connection.execute(select(func.count()).select_from(some)).scalar_one() < FEW:
            return statement.where(_IMAGE.number.in_(select(some.c.number)))
    only_key = list(telling) == ["images_api_key"] and search.text is None
    return _by_index(statement, "images_api_key" if only_key and not all_of_them else "images_search")


def _telling(search: Search) -> dict[str, ColumnElement[bool]]:
    """Conditions that have an index of their own, by its name; the most telling first."""
    telling: dict[str, ColumnElement[bool]] = {}
    if search.md5 is not None:
        telling["images_md5"] = _IMAGE.original_md5 == search.md5
    if search.network is not None:
        telling["images_address"] = sent_from(search.network)
    if search.least is not None or search.most is not None:
        most = MOST if search.most is None else search.most
        telling["images_size"] = _IMAGE.original_size.between(search.least or 0, most)
    if search.api_key is not None:
        telling["images_api_key"] = _IMAGE.api_key == search.api_key
    return telling


def _bounds(search: Search) -> list[ColumnElement[bool]]:
    bounds: list[ColumnElement[bool]] = []
    if search.since is not None:
        bounds.append(_IMAGE.created >= search.since)
    if search.before is not None:
        bounds.append(_IMAGE.created < search.before)
    if search.newest is not None:
        bounds.append(_IMAGE.number <= search.newest)
    return bounds


def _by_index(statement: Select[*T], index: str) -> Select[*T]:
    """*statement*, which SQLite shall run along *index*: without statistics it may choose another."""
    return statement.with_hint(images, f"INDEXED BY {index}", "sqlite")


def _images(connection: Connection, numbers: Sequence[int]) -> list[Image]:
    statement = select(images).where(_IMAGE.number.in_(numbers))
    rows = connection.execute(statement.order_by(_IMAGE.created.desc(), _IMAGE.number.desc())).mappings().all()
    return [image_of(row) for row in rows]


def _marked(connection: Connection, numbers: Sequence[int]) -> list[Image]:
    statement = (
        update(images)
        .where(_IMAGE.number.in_(numbers), _IMAGE.state == State.PUBLISHED)
        .values(state=State.DELETING)
        .returning(images)
    )
    return [image_of(row) for row in connection.execute(statement).mappings().all()]
