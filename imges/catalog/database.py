"""The protocol of the two databases that run the catalog's statements."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Run(Protocol):
    """Runs a function on a connection and returns its result."""

    async def __call__(self, work: Callable[[Connection], T], /) -> T: ...


class Database(Protocol):
    """Runs functions on connections: `SqliteDatabase` or `PostgresDatabase`.

    Every method may raise `CatalogUnavailable` or `CatalogFull`, within five seconds. A `write` that raised may have
    been committed all the same, if only the answer was lost. A caller that is cancelled does not stop its work.
    """

    async def prepare(self, *, upgrade: bool = False) -> None:
        """Make the schema if there is none, or bring it up to date. A shared database only with *upgrade*.

        Raises `SettingsError` if the database is another program's, if a newer imges made it, or if it is behind and
        *upgrade* is false.
        """
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return the result of *work*, called in a transaction of its own. It is durable when this returns.

        *work* may be called more than once; only its last transaction is committed.
        """
        ...

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return the result of *work*, which only reads. Each of its statements sees what was committed before it."""
        ...

    def long_transaction(self) -> AbstractAsyncContextManager[Run]:
        """Run all of the block in one transaction without a time limit. It is committed at the end."""
        ...

    async def close(self) -> None:
        """Finish what was begun and close all connections."""
        ...
