"""A database on disk for what would not fit into memory. It has no name, and is gone with the process.

SQLite puts it where SQLITE_TMPDIR or TMPDIR says, else below /var/tmp.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import ClassVar, Self, TypeVar

T = TypeVar("T")

QUICK = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
"""


class TemporaryDatabase:
    """The database, and the one thread that works on it. A subclass gives the tables in `SCHEMA`."""

    SCHEMA: ClassVar[str]

    def __init__(self, database: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._database = database
        self._thread = thread

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Self]:
        with ThreadPoolExecutor(1, cls.__name__.lower()) as thread:
            database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            try:
                database.executescript(QUICK + cls.SCHEMA)
                yield cls(database, thread)
            finally:
                thread.shutdown()
                database.close()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _in_transaction(self, work: Callable[[], T]) -> T:
        def run() -> T:
            self._database.execute("BEGIN")
            try:
                return work()
            finally:
                self._database.execute("COMMIT")

        return await self._run(run)
