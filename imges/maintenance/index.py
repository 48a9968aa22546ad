"""What a scan found: millions of objects with a few megabytes of memory, about a hundred bytes of disk for each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imges.maintenance.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Found:
    """An object that a scan found: *size* in bytes."""

    place: str
    key: str
    size: int


class Index(Scratch):
    """Objects, each until it is known whose it is; and the numbers of rows that have to be looked at closely."""

    SCHEMA = """
CREATE TABLE objects (place TEXT, key TEXT, size INTEGER, PRIMARY KEY (place, key)) WITHOUT ROWID;
CREATE TABLE suspects (number INTEGER PRIMARY KEY, place TEXT, lost INTEGER);
"""

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
