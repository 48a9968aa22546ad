"""Copies one catalog into another: all rows, numbers and secrets, in one transaction of the target, then compared."""

import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text, tuple_
from sqlalchemy.exc import IntegrityError

from imges.catalog import schema
from imges.catalog.database import Database, Run
from imges.catalog.tables import (
    album_pictures,
    albums,
    api_keys,
    blocks,
    ended_sessions,
    files,
    images,
    metadata,
    old_addresses,
    secrets,
    trail,
    unique_keys,
    upload_ids,
)
from imges.errors import CatalogDiffers, SettingsError

TABLES = (
    *(images, files, albums, album_pictures, unique_keys, upload_ids),
    *(old_addresses, api_keys, blocks, trail, ended_sessions, secrets),
)
"""Every row that a foreign key names comes first. Leases and jobs are left out: no process runs that could hold one."""

PAGE = 1000
"""Rows read at a time, so that memory does not limit the size of a catalog."""

SUM = 2**128


@dataclass
class Tally:
    """How many rows there are, and the sum of their digests, which does not depend on their order."""

    rows: int = 0
    digest: int = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            found = hashlib.blake2b(repr(tuple(row)).encode("utf-8", "surrogatepass"), digest_size=16).digest()
            self.digest = (self.digest + int.from_bytes(found)) % SUM
        self.rows += len(rows)


async def copy(
    source: Database, target: Database, stage: Callable[[str, int], None], advance: Callable[[int], None]
) -> dict[str, int]:
    """Copy all of *source* to the empty *target*, or nothing. Returns the number of rows by table.

    No process may change *source* meanwhile. *stage* is called with each step and its number of rows, *advance* with
    the number of rows done since its last call.

    Raises `SettingsError` if *target* is not empty, `CatalogDiffers` if it is not the same afterwards.
    """
    copied: dict[str, int] = {}
    async with target.long_transaction() as run:
        await run(_make_schema)
        for table in TABLES:
            stage(f"copying {table.name}", await source.read(lambda connection, table=table: _count(connection, table)))
            sent = Tally()
            async for rows in _pages(source.read, table):
                try:
                    await run(lambda connection, table=table, rows=rows: _put(connection, table, rows))
                except IntegrityError:  # a row of a picture that was added after the pictures had been copied
                    await _check_counts(source, copied)
                    raise
                sent.add(rows)
                advance(len(rows))
            stage(f"comparing {table.name}", sent.rows)
            arrived = await _tally(run, table, advance)
            if arrived != sent:
                raise CatalogDiffers(table.name, sent.rows, arrived.rows)
            copied[table.name] = sent.rows
        await _check_counts(source, copied)
        numbers = await source.read(_last_numbers)
        await run(lambda connection: _set_last_numbers(connection, numbers))
    return copied


async def _check_counts(source: Database, copied: dict[str, int]) -> None:
    """Raises `CatalogDiffers` if a table does not have as many rows as were *copied* of it."""
    for table in TABLES:
        if table.name in copied:
            left = await source.read(lambda connection, table=table: _count(connection, table))
            if left != copied[table.name]:
                raise CatalogDiffers(table.name, left, copied[table.name])


def _make_schema(connection: Connection) -> None:
    if schema.revision_of(connection) is not None:
        raise SettingsError("--to is a catalog already; name an empty database")
    schema.create(connection)


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


async def _pages(run: Run, table: Table) -> AsyncGenerator[Sequence[Sequence[Any]]]:
    """Yield all rows of *table* in the order of its primary key, page by page."""
    key = list(table.primary_key)
    page = select(table).order_by(*key).limit(PAGE)
    positions = [list(table.columns).index(column) for column in key]
    rows = await run(lambda connection: connection.execute(page).all())
    while rows:
        yield rows
        further = page.where(tuple_(*key) > tuple([rows[-1][position] for position in positions]))
        rows = await run(lambda connection, further=further: connection.execute(further).all())


def _put(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    names = [column.name for column in table.columns]
    connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])


async def _tally(run: Run, table: Table, advance: Callable[[int], None]) -> Tally:
    found = Tally()
    async for rows in _pages(run, table):
        found.add(rows)
        advance(len(rows))
    return found


# Numbers are never used again, not even those of deleted rows

_NUMBERED = tuple(table for table in metadata.sorted_tables if table.dialect_kwargs.get("sqlite_autoincrement"))


def _last_numbers(connection: Connection) -> dict[str, int]:
    """Return the last number that each table with numbers has used, 0 if none."""
    if connection.dialect.name == "sqlite":
        given = connection.execute(text("SELECT name, seq FROM sqlite_sequence")).all()
        return {table.name: 0 for table in _NUMBERED} | {row.name: row.seq for row in given}
    return {
        table.name: connection.execute(
            text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_sequence(table.name)}")  # noqa: S608 (ours)
        ).scalar_one()
        for table in _NUMBERED
    }


def _set_last_numbers(connection: Connection, numbers: Mapping[str, int]) -> None:
    for table in _NUMBERED:
        number = numbers[table.name]
        if not number:
            continue
        if connection.dialect.name == "sqlite":
            connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
            statement = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)")
            connection.execute(statement, {"name": table.name, "number": number})
        else:
            connection.execute(text("SELECT setval(:name, :number)"), {"name": _sequence(table.name), "number": number})


def _sequence(table: str) -> str:
    return f"{table}_number_seq"
