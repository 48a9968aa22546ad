"""What SQLite and PostgreSQL write differently."""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, Text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.functions import FunctionElement


def insert_or_skip(connection: Connection, table: Table) -> ReturningInsert[Any]:
    """Return an insert that skips, without an error, rows with a unique value that exists already.

    It returns the primary keys of the rows that it inserted.
    """
    return _insert_or_skip(connection.dialect.name, table)


@cache
def _insert_or_skip(dialect: str, table: Table) -> ReturningInsert[Any]:
    return skipping_insert(dialect, table).returning(*table.primary_key)


def skipping_insert(dialect: str, table: Table) -> Insert:
    """Return the same insert by the name of the *dialect*. It returns nothing."""
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import postgresql  # it brings all drivers' modules, a tenth of what a start imports

    return postgresql.insert(table).on_conflict_do_nothing()


class JsonRows(FunctionElement[str]):
    """An aggregate: all rows of a query in one text, as a JSON list of lists."""

    name = "json_rows"
    type = Text()
    inherit_cache = True


class Hex(FunctionElement[str]):
    """Bytes as hex digits in lower case."""

    name = "hex_digits"
    type = Text()
    inherit_cache = True


def _written(element: type[FunctionElement[str]], dialect: str, form: str) -> None:
    """Make *dialect* write *element* by *form*, with its arguments in the place of `{}`."""

    def write(found: FunctionElement[str], compiler: SQLCompiler, **options: Any) -> str:
        return form.format(compiler.process(found.clauses, **options))

    register: Callable[[Any], Any] = compiles(element, dialect)
    register(write)


_written(JsonRows, "sqlite", "json_group_array(json_array({}))")
_written(JsonRows, "postgresql", "json_agg(json_build_array({}))::text")
_written(Hex, "sqlite", "lower(hex({}))")
_written(Hex, "postgresql", "encode({}, 'hex')")
