"""What all rooms of the catalog's statements stand on."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Delete, Update

from imges.catalog.database import Database
from imges.catalog.unique_keys import KeyHashes


class Statements:
    """The *database*, the *hashes* of unique keys, and the clock *now* of leases."""

    def __init__(self, database: Database, hashes: KeyHashes, now: Callable[[], datetime]) -> None:
        self._database = database
        self._hashes = hashes
        self._now = now

    async def _rows_changed(self, statement: Update | Delete) -> int:
        """Run *statement* as a transaction of its own; how many rows it met."""
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)
