"""What a scan found, in a database on disk that has no name and is gone with the process.

Millions of objects stand in it with a few megabytes of memory. SQLite puts it where SQLITE_TMPDIR or TMPDIR says,
else below /var/tmp; an object takes about a hundred bytes.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self, TypeVar

T = TypeVar("T")

SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE objects (place TEXT, key TEXT, size INTEGER, PRIMARY KEY (place, key)) WITHOUT ROWID;
CREATE TABLE suspects (number INTEGER PRIMARY KEY, place TEXT, lost INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Found:
    """An object that a scan found: *size* in bytes."""

    place: str
    key: str
    size: int


class Index:
    """Objects, each until it is known whose it is; and the numbers of rows that have to be looked at closely."""

    def __init__(self, database: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._database = database
        self._thread = thread

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Self]:
        with ThreadPoolExecutor(1, "index") as thread:
            database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            try:
                database.executescript(SCHEMA)
                yield cls(database, thread)
            finally:
                thread.shutdown()
                database.close()

    async def add(self, objects: Sequence[Found]) -> None:
        rows = [(found.place, found.key, found.size) for found in objects]
        await self._in_transaction(
            lambda: self._database.executemany("INSERT OR REPLACE INTO objects VALUES (?,?,?)", rows)
        )

    async def take(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """The sizes of those of *keys* (place and key) that are in here; they are not any more."""
        return await self._in_transaction(lambda: self._take(keys))

    def _take(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        sizes: dict[tuple[str, str], int] = {}
        for key in keys:
            statement = "DELETE FROM objects WHERE place = ? AND key = ? RETURNING size"
            for (size,) in self._database.execute(statement, key).fetchall():
                sizes[key] = size
        return sizes

    async def objects(self, *, after: tuple[str, str] = ("", ""), limit: int) -> list[Found]:
        """What is left, in the order of place and key, beyond *after*."""
        statement = "SELECT * FROM objects WHERE (place, key) > (?, ?) ORDER BY place, key LIMIT ?"
        rows = await self._run(lambda: self._database.execute(statement, (*after, limit)).fetchall())
        return [Found(*row) for row in rows]

    async def suspect(self, rows: Sequence[tuple[int, str, bool]]) -> None:
        """Note rows by number and place, and whether the object of the original is missing."""
        await self._in_transaction(lambda: self._database.executemany("INSERT INTO suspects VALUES (?,?,?)", rows))

    async def suspects(self, *, after: int, limit: int) -> list[int]:
        """Numbers of the noted rows, those above *after*."""
        statement = "SELECT number FROM suspects WHERE number > ? ORDER BY number LIMIT ?"
        return [
            number
            for (number,) in await self._run(lambda: self._database.execute(statement, (after, limit)).fetchall())
        ]

    async def count_suspects(self) -> tuple[int, dict[str, int]]:
        """How many rows were noted; and of each place, how many whose original is missing."""
        count = "SELECT count(*) FROM suspects"
        lost = "SELECT place, count(*) FROM suspects WHERE lost GROUP BY place"
        (total,) = await self._run(lambda: self._database.execute(count).fetchone())
        return total, dict(await self._run(lambda: self._database.execute(lost).fetchall()))

    async def _in_transaction(self, work: Callable[[], T]) -> T:
        def run() -> T:
            self._database.execute("BEGIN")
            try:
                return work()
            finally:
                self._database.execute("COMMIT")

        return await self._run(run)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
