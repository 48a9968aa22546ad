"""The catalog as the rest of the program opens it."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex

from sqlalchemy import Connection, delete, insert, select

from imges.catalog import schema
from imges.catalog.album_pictures import AlbumPictures
from imges.catalog.albums import Albums
from imges.catalog.api_keys import ApiKeys
from imges.catalog.blocks import Blocks
from imges.catalog.copying import copy
from imges.catalog.database import Database
from imges.catalog.deletions import Deletions
from imges.catalog.dialects import insert_or_skip
from imges.catalog.edits import Edits
from imges.catalog.ended_sessions import EndedSessions
from imges.catalog.figures import Figures
from imges.catalog.images import Images
from imges.catalog.inventory import Inventory
from imges.catalog.leases import Leases
from imges.catalog.mending import Mending
from imges.catalog.moves import Moves
from imges.catalog.old_addresses import OldAddresses
from imges.catalog.published import PublishedImages
from imges.catalog.search import Searches
from imges.catalog.sqlite import SqliteDatabase
from imges.catalog.tables import leases, secrets
from imges.catalog.trail import Trail
from imges.catalog.types import utc_now
from imges.catalog.unique_keys import KeyHashes
from imges.catalog.upload_ids import UploadIds
from imges.errors import CatalogUnavailable, SettingsError

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"


class Catalog:
    """Everything about pictures, albums and API keys, what is blocked, and what owners did.

    Every method of its parts may raise `CatalogUnavailable`, and `CatalogFull` if it writes. Docstrings name the rest.
    """

    def __init__(self, database: Database, hashes: KeyHashes, now: Callable[[], datetime]) -> None:
        self._database = database
        self.images = Images(database, hashes, now)
        self.published = PublishedImages(database, hashes)
        self.upload_ids = UploadIds(database, hashes)
        self.search = Searches(database)
        self.edits = Edits(database)
        self.albums = Albums(database, hashes)
        self.album_pictures = AlbumPictures(database)
        self.deletions = Deletions(database)
        self.inventory = Inventory(database, hashes, now)
        self.moves = Moves(database)
        self.old_addresses = OldAddresses(database)
        self.mending = Mending(database, hashes)
        self.figures = Figures(database)
        self.keys = ApiKeys(database, now)
        self.blocks = Blocks(database, now)
        self.trail = Trail(database, now)
        self.ended_sessions = EndedSessions(database, now)
        self.leases = Leases(database, now)

    async def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the secret *name*, the same for all processes and for ever. *make* makes it the first time."""
        return await self._database.write(partial(_secret, name=name, make=make))

    async def check(self) -> None:
        """Read and write, durably, right now. Raises `CatalogUnavailable` or `CatalogFull` if that fails.

        Writes a new row each time: SQLite does not write a page whose bytes stay the same, and would not notice a full
        disk. The row is a lease that has ended already, so no process takes it for one.
        """
        probe = token_hex(16)

        def work(connection: Connection) -> bool:
            connection.execute(insert(leases).values(id=probe, expires=datetime.fromtimestamp(0, UTC)))
            return connection.execute(delete(leases).where(leases.c.id == probe)).rowcount == 1

        if not await self._database.write(work):
            raise CatalogUnavailable


def _secret(connection: Connection, name: str, make: Callable[[], bytes]) -> bytes:
    statement = select(secrets.c.value).where(secrets.c.name == name)
    found = connection.scalar(statement)
    if found is None:
        connection.execute(insert_or_skip(connection, secrets), {"name": name, "value": make()})
        found = connection.execute(statement).scalar_one()
    return found


@asynccontextmanager
async def open_catalog(url: str, now: Callable[[], datetime] = utc_now) -> AsyncGenerator[Catalog]:
    """Open the catalog at `sqlite:///PATH` (a fourth slash begins an absolute path) or `postgresql://…`.

    Makes it if there is none. If the schema is behind, SQLite's is migrated; PostgreSQL's is refused, because other
    nodes may be using it. *now* is the clock of leases and of new API keys.

    Raises `SettingsError` if the address or the database cannot be used; `CatalogUnavailable`, `CatalogFull`.
    """
    async with _database(url) as database:
        await database.prepare()
        secret = await database.write(partial(_secret, name="unique_keys", make=partial(os.urandom, 32)))
        yield Catalog(database, KeyHashes(secret), now)


async def upgrade_catalog(url: str) -> tuple[str | None, str]:
    """Bring the schema up to date, or make it. Returns its revision before (`None`: there was none) and now.

    Raises `SettingsError`, `CatalogUnavailable`, `CatalogFull`.
    """
    async with _database(url) as database:
        before = await database.read(schema.revision_of)
        await database.prepare(upgrade=True)
        return before, await database.read(schema.revision_of) or schema.HEAD


async def copy_catalog(
    url: str, to: str, stage: Callable[[str, int], None], advance: Callable[[int], None]
) -> dict[str, int]:
    """Copy all of the catalog at *url* to the empty database at *to*; see `copying.copy`.

    Raises `SettingsError` if *to* is not empty or a server uses the catalog; `CatalogDiffers`, `CatalogUnavailable`.
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
    # the message does not show the address, which may hold a password
    raise SettingsError(f"catalog.url should be {SQLITE}PATH or {POSTGRESQL}USER:PASSWORD@HOST/NAME")
