"""What the catalog's statements ask of the database below them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Run(Protocol):
    """Runs a function on a connection, and answers its result."""

    async def __call__(self, work: Callable[[Connection], T], /) -> T: ...


class Database(Protocol):
    """Runs functions on connections; `SqliteDatabase` and `PostgresDatabase` are the two.

    Raises, whatever it runs: CatalogUnavailable, CatalogFull, within five seconds. A `write` that failed so may have
    been done all the same, where the answer was lost. Who is cancelled while waiting does not stop what runs.
    """

    async def prepare(self, *, upgrade: bool = False) -> None:
        """Make the schema where there is none, or bring it up to date; *upgrade*: also where others may be using it.

        Raises: SettingsError where it is another's, of a newer imges, or behind and not to be upgraded.
        """
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """The result of *work*, called in a transaction of its own; committed, and durable, when this returns.

        *work* may be called more than once; only its last transaction is committed.
        """
        ...

    async def read(self, work: Callable[[Connection], T]) -> T:
        """The result of *work*, which only reads; each of its statements sees what was committed before it."""
        ...

    def long_transaction(self) -> AbstractAsyncContextManager[Run]:
        """One transaction for all that is run in the block, however long it takes; committed at its end."""
        ...

    async def close(self) -> None:
        """Finish what was begun and give everything back."""
        ...
