"""The catalog as the rest of the program opens it."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import select

from imges.catalog import schema
from imges.catalog.api_keys import ApiKeys
from imges.catalog.blocks import Blocks
from imges.catalog.copying import copy
from imges.catalog.database import Database
from imges.catalog.images import Images
from imges.catalog.search import Searches
from imges.catalog.shared import Shared, secret_of
from imges.catalog.sqlite import SqliteDatabase
from imges.catalog.tables import leases
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
    async with _database(url) as database:
        await database.prepare()
        secret = await database.write(partial(secret_of, name="unique_keys", make=partial(os.urandom, 32)))
        yield Catalog(database, KeyHashes(secret), now)


async def upgrade_catalog(url: str) -> tuple[str | None, str]:
    """Bring the schema up to date, or make it; its revision before (`None`: there was none) and now.

    Raises: SettingsError, CatalogUnavailable, CatalogFull.
    """
    async with _database(url) as database:
        before = await database.read(schema.revision_of)
        await database.prepare(upgrade=True)
        return before, await database.read(schema.revision_of) or schema.HEAD


async def copy_catalog(
    url: str, to: str, stage: Callable[[str, int], None], advance: Callable[[int], None]
) -> dict[str, int]:
    """All of the catalog at *url* to the empty database at *to*; see `copying.copy`.

    Raises: SettingsError where *to* is not empty, or a server uses the catalog; CatalogDiffers, CatalogUnavailable.
    """
    async with _database(url) as source, _database(to) as target:
        await source.prepare()
        if await source.read(
            lambda connection: connection.scalar(select(leases.c.id).where(leases.c.expires > utc_now()))
        ):
            raise SettingsError(
                "a server uses the catalog; stop all of them (after one was killed, wait a minute), and run it again"
            )
        return await copy(source, target, stage, advance)


@asynccontextmanager
async def _database(url: str) -> AsyncGenerator[Database]:
    database = await _open_database(url)
    try:
        yield database
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
