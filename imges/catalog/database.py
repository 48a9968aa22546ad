"""What the catalog's statements ask of the database below them."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Database(Protocol):
    """Runs functions on connections; `SqliteDatabase` and `PostgresDatabase` are the two.

    Raises, whatever it runs: CatalogUnavailable, CatalogFull, within five seconds. A `write` that failed so may have
    been done all the same, where the answer was lost. Who is cancelled while waiting does not stop what runs.
    """

    async def write(self, work: Callable[[Connection], T]) -> T:
        """The result of *work*, called in a transaction of its own; committed, and durable, when this returns.

        *work* may be called more than once; only its last transaction is committed.
        """
        ...

    async def read(self, work: Callable[[Connection], T]) -> T:
        """The result of *work*, which only reads; each of its statements sees what was committed before it."""
        ...

    async def close(self) -> None:
        """Finish what was begun and give everything back."""
        ...
