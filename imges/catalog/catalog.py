"""The catalog as the rest of the program opens it."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from imges.catalog.api_keys import ApiKeys
from imges.catalog.blocks import Blocks
from imges.catalog.database import Database
from imges.catalog.images import Images
from imges.catalog.search import Searches
from imges.catalog.shared import Shared, secret_of
from imges.catalog.sqlite import SqliteDatabase
from imges.catalog.types import utc_now
from imges.catalog.unique_keys import KeyHashes
from imges.catalog.upkeep import Upkeep
from imges.errors import SettingsError

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"


class Catalog(Images, Searches, ApiKeys, Blocks, Shared, Upkeep):
    """All that is known of pictures and API keys, and what is blocked.

    Every method may raise CatalogUnavailable, and CatalogFull where it writes; what else is in the docstrings.
    """


@asynccontextmanager
async def open_catalog(url: str, now: Callable[[], datetime] = utc_now) -> AsyncGenerator[Catalog]:
    """The catalog at `sqlite:///PATH` (a fourth slash begins an absolute path) or `postgresql://…`.

    It is made where there is none. SQLite's is migrated where it is behind; PostgreSQL's is refused then, for others
    may be using it. *now* is the clock of leases and of new keys.

    Raises: SettingsError for an address or a database that cannot be used; CatalogUnavailable, CatalogFull.
    """
    database = await _open_database(url)
    try:
        secret = await database.write(partial(secret_of, name="unique_keys", make=partial(os.urandom, 32)))
        yield Catalog(database, KeyHashes(secret), now)
    finally:
        await database.close()


async def _open_database(url: str) -> Database:
    if url.startswith(SQLITE) and url != SQLITE:
        return await SqliteDatabase.open(Path(url.removeprefix(SQLITE)))
    if url.startswith(POSTGRESQL):
        from imges.catalog.postgres import PostgresDatabase

        return await PostgresDatabase.open(url)
    # the address may hold a password: not shown
    raise SettingsError(f"catalog.url should be {SQLITE}PATH or {POSTGRESQL}USER:PASSWORD@HOST/NAME")
