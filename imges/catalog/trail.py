"""The trail: what owners did, on the pages and by commands. Nothing in the program changes or deletes a younger row."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from imges.catalog.database import Database
from imges.catalog.tables import trail
from imges.catalog.types import Deed, Trace

KEPT = timedelta(days=365)
LONGEST = 500
"""Characters of a subject."""


class Trail:
    """Adds lines and returns them."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def add(self, actor: str, deed: Deed, subject: str = "", count: int | None = None) -> None:
        """Note that *actor* did *deed* to *subject*, which concerned *count* pictures or blocks.

        Deletes lines that are older than `KEPT`.
        """
        now = self._now()
        row = {"created": now, "actor": _kept(actor), "deed": deed, "subject": _kept(subject), "count": count}

        def work(connection: Connection) -> None:
            connection.execute(delete(trail).where(trail.c.created < now - KEPT))
            connection.execute(insert(trail).values(row))

        await self._database.write(work)

    async def page(self, *, before: int | None, limit: int) -> Sequence[Trace]:
        """Return *limit* lines, the newest first: of those with a number below *before*, if it is given."""
        statement = select(trail).order_by(trail.c.number.desc()).limit(limit)
        if before is not None:
            statement = statement.where(trail.c.number < before)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [
            Trace(number, created, actor, Deed(deed), subject, count)
            for number, created, actor, deed, subject, count in rows
        ]


def _kept(text: str) -> str:
    """Return *text* with control characters and lone surrogates written out: PostgreSQL would not store all of them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)[:LONGEST]
