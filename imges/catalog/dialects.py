"""The few words that SQLite and PostgreSQL say differently in SQLAlchemy."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import ReturningInsert


def insert_or_skip(connection: Connection, table: Table) -> ReturningInsert[Any]:
    """An insert that leaves out, without an error, rows with a unique value that is there already.

    It returns the primary keys of those that it put in.
    """
    return _insert_or_skip(connection.dialect.name, table)


@cache
def _insert_or_skip(dialect: str, table: Table) -> ReturningInsert[Any]:
    return skipping_insert(dialect, table).returning(*table.primary_key)


def skipping_insert(dialect: str, table: Table) -> Insert:
    """The same by the name of the *dialect*, returning nothing."""
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import postgresql  # it brings all drivers' modules, a tenth of what a start imports

    return postgresql.insert(table).on_conflict_do_nothing()
