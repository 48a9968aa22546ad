"""A storage backend as a third party writes it: all pictures in one SQLite file.

It is a package of its own. It uses of imges only what `docs/backends.md` describes.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from imges.storage import (
    Address,
    KeyExists,
    KeyMissing,
    ObjectEntry,
    ObjectStat,
    OptionError,
    Storage,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
    checked_key,
    round_trip,
)

T = TypeVar("T")

TABLES = """
CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, content BLOB, type TEXT, modified REAL);
CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY CHECK (one = 1), password TEXT);
"""
CHUNK = 256 * 1024
"""Bytes given out at a time."""


@dataclass(frozen=True)
class ShelfOptions:
    file: Path
    password: str = field(default="", metadata={"secret": True})  # never shown in a message
    patience: int = 30


class ShelfStorage(Storage):
    Options: ClassVar[type[Any]] = ShelfOptions

    def __init__(self, options: ShelfOptions) -> None:
        self._options = options

    @classmethod
    async def connect(cls, options: ShelfOptions) -> Self:
        if options.patience < 1:
            raise OptionError("patience", "should be a second at least")
        shelf = cls(options)
        await shelf._run(shelf._prepare)
        return shelf

    async def put(
        self,
        key: str,
        file: Path,
        *,
        media_type: str,
        expires: datetime | None = None,
        replace: bool = False,
    ) -> None:
        await self._run(lambda: self._put(checked_key(key), file, media_type, replace=replace))

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Reads all of the range at once, so that no other write can come between its parts."""
        length = 2**31 - 1 if stop is None else max(0, min(stop - start, 2**31 - 1))
        found = await self._rows(
            f"SELECT substr(content, {start + 1}, {length}) FROM objects WHERE key = ?", checked_key(key)
        )
        if not found:
            raise KeyMissing(key)
        yield _in_chunks(found[0][0] or b"")  # of nothing, SQLite makes NULL

    async def stat(self, key: str) -> ObjectStat:
        found = await self._rows("SELECT length(content), modified, type FROM objects WHERE key = ?", checked_key(key))
        if not found:
            raise KeyMissing(key)
        size, modified, media_type = found[0]
        return ObjectStat(size, datetime.fromtimestamp(modified, UTC), media_type)

    async def delete(self, key: str) -> None:
        await self._rows("DELETE FROM objects WHERE key = ?", checked_key(key))

    async def scan(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        last = ""
        page = "SELECT key, length(content), modified FROM objects WHERE key > ? ORDER BY key LIMIT 1000"
        while rows := await self._rows(page, last):
            for key, size, modified in rows:
                if key.startswith(prefix):
                    yield ObjectEntry(key, size, datetime.fromtimestamp(modified, UTC))
                last = key

    async def sweep(self, older_than: timedelta) -> None:
        """Does nothing: an interrupted transaction leaves nothing behind."""

    def local_path(self, key: str) -> Path | None:
        checked_key(key)

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:
        checked_key(key)

    async def check(self) -> None:
        await round_trip(self)

    async def close(self) -> None:
        """Does nothing: each call opens and closes its own connection."""

    # In a thread

    async def _run(self, work: Callable[[], T]) -> T:
        """Runs *work* in a thread, to its end even if the caller is cancelled. Raises only errors of the protocol."""
        running = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([running])
            running.exception()
            raise
        except sqlite3.OperationalError as error:
            raise StorageFull if error.sqlite_errorcode == sqlite3.SQLITE_FULL else StorageUnavailable from error
        except (OSError, sqlite3.Error) as error:
            raise StorageUnavailable from error

    def _opened(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self._options.file, timeout=self._options.patience))

    def _prepare(self) -> None:
        mine = hashlib.sha256(self._options.password.encode()).hexdigest()
        with self._opened() as db, db:
            db.executescript(TABLES)
            db.execute("INSERT OR IGNORE INTO owner VALUES (1, ?)", [mine])
            if db.execute("SELECT password FROM owner").fetchone() != (mine,):
                raise StorageRefused("password", "the shelf has another; put in the one that it was made with")

    def _put(self, key: str, file: Path, media_type: str, *, replace: bool) -> None:
        row = (key, file.read_bytes(), media_type, datetime.now(UTC).timestamp())
        with self._opened() as db:
            try:
                with db:
                    db.execute(f"INSERT {'OR REPLACE' if replace else ''} INTO objects VALUES (?, ?, ?, ?)", row)
            except sqlite3.IntegrityError:
                raise KeyExists(key) from None

    async def _rows(self, statement: str, value: str) -> list[tuple[Any, ...]]:
        def work() -> list[tuple[Any, ...]]:
            with self._opened() as db, db:
                return db.execute(statement, [value]).fetchall()

        return await self._run(work)


async def _in_chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]
