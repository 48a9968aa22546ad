"""Rows of a host's database: a file of SQLite, or a dump of MySQL."""

import re
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy import table as named_table

from imges.maintenance.hosts import mysql_dump
from imges.maintenance.hosts.dump_file import NotUnderstood
from imges.maintenance.hosts.mysql_dump import Row

SQLITE = b"SQLite format 3\0"


def rows(file: Path, *tables: str) -> Generator[tuple[str, Row | None]]:
    """Yields each row of the *tables*: the table's name without its prefix, and the row's values by column.

    The row is `None` if it has more or fewer values than there are columns. Tables that do not exist have no rows.

    Raises `NotUnderstood` if the file is neither, or damaged; `OSError` if it cannot be read.
    """
    with file.open("rb") as reading:
        is_sqlite = reading.read(len(SQLITE)) == SQLITE
    if is_sqlite:
        yield from _of_sqlite(file, tables)
        return
    wanted = re.compile(rf"(?:\w+?_)??({'|'.join(tables)})")
    for full, row in mysql_dump.rows(file, wanted):
        found = wanted.fullmatch(full.rpartition(".")[2])
        assert found
        yield found[1], row


def _of_sqlite(file: Path, tables: tuple[str, ...]) -> Iterator[tuple[str, Row]]:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            database.text_factory = bytes  # decoded below: what is no UTF-8 must not stop it
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            there = {_text(name) for (name,) in names}
            for table in tables:
                if table in there:
                    for row in database.execute(str(select(text("*")).select_from(named_table(table)))):
                        yield table, {name: _text(value) for name, value in dict(row).items()}
    except sqlite3.DatabaseError as error:
        raise NotUnderstood(f"{file.name} cannot be read: {error}") from error


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
