"""The few words that SQLite and PostgreSQL say differently in SQLAlchemy."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_or_skip(connection: Connection, table: Table) -> ReturningInsert[Any]:
    """An insert that leaves out, without an error, rows with a unique value that is there already.

    It returns the primary keys of those that it put in.
    """
    return _insert_or_skip(connection.dialect.name, table)


@cache
def _insert_or_skip(dialect: str, table: Table) -> ReturningInsert[Any]:
    return _INSERTS[dialect](table).on_conflict_do_nothing().returning(*table.primary_key)
