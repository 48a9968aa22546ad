"""The sessions of owners that were ended before their time. A session itself is a signed ticket and has no row."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from imges.catalog.database import Database
from imges.catalog.tables import ended_sessions

KEPT = timedelta(days=1)
"""How long a row is kept. No session lasts as long, so after it the ticket has run out by itself."""


class EndedSessions:
    """Ends one session, or says whether one was ended. Disabling an API key ends all that were begun with it."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def end(self, session_hash: bytes) -> None:
        """End the session of that hash, on all nodes."""
        now = self._now()
        await self._database.write(lambda connection: end_sessions(connection, session_hash, now + KEPT))

    async def has_ended(self, session_hash: bytes, key_hash: bytes, began: datetime) -> bool:
        """Return whether the session of that hash was ended, or all of its API key that *began* so early."""
        statement = select(ended_sessions.c.hash).where(
            ended_sessions.c.hash.in_((session_hash, key_hash)), ended_sessions.c.began_before > began
        )
        return await self._database.read(lambda connection: connection.scalar(statement)) is not None


def end_sessions(connection: Connection, ended: bytes, before: datetime) -> None:
    """End the sessions of the hash *ended* that began *before*. Deletes rows that are not needed any more."""
    hashes = ended_sessions.c.hash
    connection.execute(delete(ended_sessions).where((hashes == ended) | (ended_sessions.c.kept_until < before - KEPT)))
    connection.execute(insert(ended_sessions).values(hash=ended, began_before=before, kept_until=before + KEPT))
