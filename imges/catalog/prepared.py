"""Statements of every upload, compiled once for each database and handed to its driver as text.

SQLAlchemy needs longer to hand a statement to the driver than SQLite needs to run it. The types of the columns convert
the values as usual. Results are the driver's, not converted, so these statements return only numbers.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase


class Ran(Protocol):
    """What a driver returns for a statement that it has run."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Sequence[Any] | None: ...


@dataclass(frozen=True, slots=True)
class _Compiled:
    """*text*, and for each of its values in order the name, and the function that converts it (`None`: unchanged)."""

    text: str
    binds: Sequence[tuple[str, Callable[[Any], Any] | None]]
    given: dict[str, Any]
    """Values that stand in the statement itself."""


class Prepared:
    """The statement that *make* returns for a dialect. *columns* are those that an insert fills."""

    def __init__(self, make: Callable[[str], UpdateBase], columns: Collection[str] | None = None) -> None:
        self._make = make
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, values: dict[str, Any]) -> Ran:
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name) or self._compile(dialect)
        if compiled.given:
            values = compiled.given | values
        bound = tuple([write(values[name]) if write else values[name] for name, write in compiled.binds])
        return execute(connection, compiled.text, bound)

    def _compile(self, dialect: Dialect) -> _Compiled:
        found = self._make(dialect.name).compile(dialect=dialect, column_keys=self._columns)
        assert isinstance(found, SQLCompiler)
        binds = [
            (name, found.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in found.positiontup or ()
        ]
        given = {name: value for name, value in found.params.items() if not found.binds[name].required}
        compiled = self._compiled[dialect.name] = _Compiled(found.string, binds, given)
        return compiled


def execute(connection: Connection, text: str, values: tuple[Any, ...]) -> Ran:
    """Run *text*, written for the connection's driver."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        return driver.execute(text, values)
    return cast("Ran", connection.exec_driver_sql(text, values))
