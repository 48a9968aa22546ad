"""A SQLite connection and the thread that aiosqlite runs for it.

A whole transaction is one job of the thread. aiosqlite's own way, which awaits each statement, takes twice the CPU.

aiosqlite has no public way to run a job that is not its own. So the class here uses four of its protected names:
`_execute`, `_tx`, `_thread` and `_connection`. No other file uses aiosqlite. `tests/catalog/test_connection_thread.py`
has a test for each name.
"""

import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar, cast

import aiosqlite
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")

_here = threading.local()


def driver_of_this_thread() -> sqlite3.Connection:
    """Return the connection of the `ConnectionThread` that the caller runs in: what SQLAlchemy takes as `creator=`."""
    return cast("ConnectionThread", _here.owner).driver()


class ConnectionThread(aiosqlite.Connection):
    """Runs jobs on one connection, in the order in which they were handed over.

    `await` it once, before the first job: that starts the thread, in which *connect* opens the connection. *engine*
    must have been made with `creator=driver_of_this_thread`. Transactions are the driver's: SQLAlchemy begins and ends
    none.
    """

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection], engine: Engine) -> None:
        super().__init__(connect, iter_chunk_size=64)
        self._thread.name = name
        self._thread.daemon = True  # a process whose loop was killed could not end otherwise
        self._open = connect
        self._engine = engine
        self._view: Connection | None = None
        """The connection as SQLAlchemy sees it. It is kept, because making it takes as long as a statement."""
        self._is_lost = False

    async def run(self, job: Callable[[], T]) -> T:
        """Return the result of *job*. If the caller is cancelled, the job still runs to its end."""
        return await self._execute(job)

    def hand_over(self, job: Callable[[], object]) -> None:
        """Run *job* without waiting for it. Its result and its exception are dropped."""
        self._tx.put_nowait((None, job))

    def end(self) -> None:
        """Run what was handed over, close the connection and end the thread. Blocks."""
        self.hand_over(self._close_view)
        self.stop()
        if self._thread.is_alive():
            self._thread.join()

    # In the thread

    @contextmanager
    def used(self) -> Generator[Connection]:
        """Yield SQLAlchemy's view of the connection.

        An error of the driver may mean that the connection has lost its file, so the next use opens another.
        """
        try:
            yield self._view or self._make_view()
        except (DBAPIError, sqlite3.Error):
            self.forget()
            raise

    def forget(self) -> None:
        """Close the connection. The next use opens another."""
        self._is_lost = True
        if self._view is not None:
            self._view.invalidate()  # else SQLAlchemy rolls back what may not answer any more
        self._close_view()

    def driver(self) -> sqlite3.Connection:
        if self._is_lost or self._connection is None:
            self._connection = self._open()
            self._is_lost = False
        return self._connection

    def _make_view(self) -> Connection:
        _here.owner = self
        self._view = self._engine.connect()
        return self._view

    def _close_view(self) -> None:
        view, self._view = self._view, None
        if view is not None:
            view.close()
