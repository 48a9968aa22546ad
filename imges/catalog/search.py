"""Searching a million pictures: by name, API key, address, digest, size and date, newest first, page by page.

A condition that few pictures meet is looked up in its own index, and the result is sorted. Otherwise one index is read
from its newest end until a page is full. `images_search` holds every searchable column, so only rows that are shown are
read from the table.
"""

from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from imges.catalog.database import Database
from imges.catalog.networks import sent_from
from imges.catalog.rows import search_text
from imges.catalog.statements import by_index, newest_first
from imges.catalog.tables import images
from imges.catalog.types import Cursor, Image, Search, State

FEW = 10_000
"""Entries of an index: up to this many are fetched and sorted, which takes some hundredths of a second."""

T = TypeVarTuple("T")

MOST = 2**62
"""Bytes: larger than any picture."""

_IMAGE = images.c


class Searches:
    """Searches published pictures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, search: Search, *, limit: int, older_than: Cursor | None = None, newer_than: Cursor | None = None
    ) -> list[Image]:
        """Return the newest *limit* pictures of *search* that are *older_than*.

        With *newer_than* it returns the oldest of those that are newer. The newest stands first either way.
        """

        def read(connection: Connection) -> list[Image]:
            place = tuple_(_IMAGE.created, _IMAGE.number)
            statement = _numbers(connection, search)
            if older_than is not None:
                statement = statement.where(place < (older_than.created, older_than.number))
            if newer_than is not None:
                statement = statement.where(place > (newer_than.created, newer_than.number))
                statement = statement.order_by(_IMAGE.created, _IMAGE.number)
            else:
                statement = statement.order_by(_IMAGE.created.desc(), _IMAGE.number.desc())
            return newest_first(connection, connection.scalars(statement.limit(limit)).all())

        return await self._database.read(read)

    async def count(self, search: Search) -> int:
        """Return how many pictures *search* finds. Takes a few tenths of a second among a million pictures."""

        def count(connection: Connection) -> int:
            return connection.execute(
                select(func.count()).select_from(_numbers(connection, search, all_of_them=True).subquery())
            ).scalar_one()

        return await self._database.read(count)

    async def newest_number(self) -> int:
        """Return the highest number of a picture, 0 if there is none."""
        statement = select(func.coalesce(func.max(_IMAGE.number), 0))
        return await self._database.read(lambda connection: connection.execute(statement).scalar_one())


def _numbers(connection: Connection, search: Search, *, all_of_them: bool = False) -> Select[int]:
    """Select the numbers of what *search* finds, along the index that needs the least reading."""
    selective = _selective(search)
    statement = select(_IMAGE.number).where(_IMAGE.state == State.PUBLISHED, *selective.values(), *_bounds(search))
    if search.text is not None:
        statement = statement.where(_IMAGE.search.contains(search_text(search.text), autoescape=True))
    for index, condition in selective.items():
        some = by_index(select(_IMAGE.number).where(condition).limit(FEW), index).subquery()
        if connection.execute(select(func.count()).select_from(some)).scalar_one() < FEW:
            return statement.where(_IMAGE.number.in_(select(some.c.number)))
    only_key = list(selective) == ["images_api_key"] and search.text is None
    return by_index(statement, "images_api_key" if only_key and not all_of_them else "images_search")


def _selective(search: Search) -> dict[str, ColumnElement[bool]]:
    """Return the conditions that have an index of their own, by its name; the most selective first."""
    selective: dict[str, ColumnElement[bool]] = {}
    if search.md5 is not None:
        selective["images_md5"] = _IMAGE.original_md5 == search.md5
    if search.network is not None:
        selective["images_address"] = sent_from(search.network)
    if search.least is not None or search.most is not None:
        most = MOST if search.most is None else search.most
        selective["images_size"] = _IMAGE.original_size.between(search.least or 0, most)
    if search.api_key is not None:
        selective["images_api_key"] = _IMAGE.api_key == search.api_key
    return selective


def _bounds(search: Search) -> list[ColumnElement[bool]]:
    bounds: list[ColumnElement[bool]] = []
    if search.since is not None:
        bounds.append(_IMAGE.created >= search.since)
    if search.before is not None:
        bounds.append(_IMAGE.created < search.before)
    if search.newest is not None:
        bounds.append(_IMAGE.number <= search.newest)
    return bounds
