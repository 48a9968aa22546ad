"""What the scan of `fsck` found, on disk: millions of objects take a few megabytes of memory.

Each object takes about a hundred bytes of disk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imges.maintenance.temporary_database import TemporaryDatabase


@dataclass(frozen=True, slots=True)
class ScannedObject:
    """An object that the scan found: *size* in bytes."""

    place: str
    key: str
    size: int


class Suspect(NamedTuple):
    """A row that has to be checked closely, by its *number*; *lost* if the object of its original is missing."""

    number: int
    place: str
    lost: bool


class Index(TemporaryDatabase):
    """The objects that were not found in a row yet, and the rows that have to be checked closely."""

    SCHEMA = """
CREATE TABLE objects (place TEXT, key TEXT, size INTEGER, PRIMARY KEY (place, key)) WITHOUT ROWID;
CREATE TABLE suspects (number INTEGER PRIMARY KEY, place TEXT, lost INTEGER);
"""

    async def add(self, objects: Sequence[ScannedObject]) -> None:
        rows = [(found.place, found.key, found.size) for found in objects]
        await self._in_transaction(
            lambda: self._database.executemany("INSERT OR REPLACE INTO objects VALUES (?,?,?)", rows)
        )

    async def take(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Takes the objects of *keys* (place and key) out of the index. Returns the sizes of those that were in it."""
        return await self._in_transaction(lambda: self._take(keys))

    def _take(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        sizes: dict[tuple[str, str], int] = {}
        for key in keys:
            statement = "DELETE FROM objects WHERE place = ? AND key = ? RETURNING size"
            for (size,) in self._database.execute(statement, key).fetchall():
                sizes[key] = size
        return sizes

    async def objects(self, *, after: tuple[str, str] = ("", ""), limit: int) -> list[ScannedObject]:
        """Returns objects that were not taken out, in the order of place and key, from behind *after*."""
        statement = "SELECT * FROM objects WHERE (place, key) > (?, ?) ORDER BY place, key LIMIT ?"
        rows = await self._run(lambda: self._database.execute(statement, (*after, limit)).fetchall())
        return [ScannedObject(*row) for row in rows]

    async def suspect(self, rows: Sequence[Suspect]) -> None:
        """Notes rows that have to be checked closely."""
        await self._in_transaction(lambda: self._database.executemany("INSERT INTO suspects VALUES (?,?,?)", rows))

    async def suspects(self, *, after: int, limit: int) -> list[int]:
        """Returns numbers of the noted rows, those above *after*."""
        statement = "SELECT number FROM suspects WHERE number > ? ORDER BY number LIMIT ?"
        return [
            number
            for (number,) in await self._run(lambda: self._database.execute(statement, (after, limit)).fetchall())
        ]

    async def count_suspects(self) -> tuple[int, dict[str, int]]:
        """Returns how many rows were noted, and for each place how many of them have lost their original."""
        count = "SELECT count(*) FROM suspects"
        lost = "SELECT place, count(*) FROM suspects WHERE lost GROUP BY place"
        (total,) = await self._run(lambda: self._database.execute(count).fetchone())
        return total, dict(await self._run(lambda: self._database.execute(lost).fetchall()))
