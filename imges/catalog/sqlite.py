"""The catalog in a SQLite file: one connection that writes, and some that read and never wait for it.

A whole transaction is one function on a connection, run in the connection's thread. The functions are plain SQLAlchemy,
so that PostgreSQL's `AsyncConnection.run_sync` can run the same ones.
"""

import asyncio
import logging
import os
import random
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Self, TypeVar, cast
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, FromClause, NullPool, create_engine
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError

from imges import metrics
from imges.catalog import schema
from imges.catalog.connection_thread import ConnectionThread, driver_of_this_thread
from imges.catalog.database import Run
from imges.catalog.group_commit import GroupCommit
from imges.catalog.readers import Readers
from imges.catalog.types import DamagedDatabase
from imges.durable import NETWORK, PRIVATE, move_over, open_shared
from imges.errors import CatalogFull, CatalogUnavailable, SettingsError

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 4.0
"""Seconds that a transaction waits for another process's. The server must answer the client within five."""

READERS = 4
"""Threads that read at the same time."""

SMALL = 32 * 2**20
"""Bytes. A start checks the whole of a smaller database, in some hundredths of a second."""

BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
UNSHARED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL}
"""Codes that a file system causes if it has no locks, or no memory that processes share."""
BUGS = {0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE}
"""Codes of faults in our statements, not in the file."""


class SqliteDatabase:
    """Runs functions on connections, each as one transaction.

    Every method raises `CatalogUnavailable` if the file is locked for long, read-only or damaged, or if the system
    cannot read or write it. Every method that writes raises `CatalogFull` if the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        """Kept open, and closed last, because closing any descriptor of the file ends SQLite's locks on it."""
        self._folder: tuple[int, int] | None = None
        self._is_lost = False
        engine = _engine(path)
        self._writer = ConnectionThread("catalog-writer", partial(self._connect, waits=False), engine)
        self._reading_threads = [
            ConnectionThread("catalog-reader", partial(self._connect, waits=True), engine) for _ in range(READERS)
        ]
        self._readers = Readers()
        self._commits = GroupCommit(
            self._writer.hand_over, self._transaction, lambda connection, text: _driver(connection).execute(text)
        )

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database in the file *path*, and make the file if there is none.

        Raises `SettingsError` if the file cannot be used or is damaged, `CatalogUnavailable`, `CatalogFull`.
        """
        database = await asyncio.to_thread(cls, path)
        try:
            with _usable(path):
                await database._open()  # noqa: SLF001  (its own class's)
        except BaseException:
            await database.close()
            raise
        return database

    async def prepare(self, *, upgrade: bool = False) -> None:  # noqa: ARG002  (nobody else's program uses the file)
        """Make the schema, or bring it up to date after a copy.

        Raises `SettingsError` if the schema is another program's or a newer imges's.
        """
        with _usable(self._path):
            if await self._readers.run(partial(_use, schema.revision_of)) != schema.HEAD:
                await self._writer.run(self._bring_up_to_date)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Call *work* in a transaction of its own, and return its result once that is committed and durable.

        Works of one process run one after the other, in the order of their calls. Works that wait share a commit.
        """
        with metrics.catalog("write", CatalogUnavailable):
            return await self._commits.run(work, time.monotonic() + PATIENCE)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return the result of *work*, which only reads. Each of its statements sees what was committed before it."""
        with metrics.catalog("read", CatalogUnavailable):
            return await self._readers.run(partial(self._look, work))

    @asynccontextmanager
    async def long_transaction(self) -> AsyncGenerator[Run]:
        """Run everything in the block in one transaction. No other transaction can write meanwhile."""
        transaction = self._transacting(time.monotonic() + PATIENCE)
        try:
            connection = await self._writer.run(partial(_entered, transaction))

            async def run(work: Callable[[Connection], T]) -> T:
                return await self._writer.run(partial(_called, work, connection))

            yield run
        except BaseException as error:
            await self._writer.run(partial(transaction.__exit__, type(error), error, error.__traceback__))
            raise
        await self._writer.run(partial(_left, transaction))

    async def close(self) -> None:
        """Finish what was begun, and close the file."""
        await asyncio.to_thread(self._close)

    def _look(self, work: Callable[[Connection], T], thread: ConnectionThread) -> T:
        with _translated(), thread.used() as connection:
            if self._folder != _identity(self._path.parent):  # the data folder has vanished, and pictures with it
                self._refuse_a_lost_file()
            return work(connection)

    @contextmanager
    def _transaction(self, deadline: float) -> Generator[Connection]:
        with _translated(), self._transacting(deadline) as connection:
            yield connection

    @contextmanager
    def _transacting(self, deadline: float) -> Generator[Connection]:
        with self._writer.used() as connection:
            driver = _driver(connection)
            _patiently(partial(driver.execute, "BEGIN IMMEDIATE"), deadline)
            try:
                self._refuse_a_lost_file()
                yield connection
            except BaseException:
                driver.rollback()
                raise
            driver.commit()

    def _refuse_a_lost_file(self) -> None:
        """Raises `CatalogUnavailable` if somebody took the file away: its rows would be gone when this process ends."""
        if self._file is None:
            return
        was_lost, self._is_lost = self._is_lost, not os.fstat(self._file).st_nlink or not self._path.exists()
        if self._is_lost:
            if not was_lost:
                log.error("the catalog's file %s is gone; put it back, and restart", self._path)
            raise CatalogUnavailable

    def _close(self) -> None:
        for thread in (*self._reading_threads, self._writer):
            thread.end()
        if self._file is not None:
            os.close(self._file)

    # Opening

    async def _open(self) -> None:
        """Check the file, then open all connections, so that no load makes the number of open files grow."""
        first, *others = self._reading_threads
        await first
        await first.run(partial(_use, self._check_file, first))
        for thread in (*others, self._writer):
            await thread
            await thread.run(partial(_use, _read_something, thread))
        self._readers.idle = list(self._reading_threads)

    def _connect(self, *, waits: bool) -> sqlite3.Connection:
        """Open the file, which only the first call makes. If SQLite does not wait for locks, `_patiently` does."""
        if self._file is None:
            self._file = open_shared(self._path, PRIVATE)
            self._folder = _identity(self._path.parent)
        address = f"file:{quote(str(self._path.absolute()))}?mode=rw"
        driver = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        driver.execute("PRAGMA synchronous = FULL")
        driver.execute("PRAGMA foreign_keys = ON")
        driver.execute("PRAGMA secure_delete = ON")  # nothing of a deleted picture stays behind in free pages
        if not waits:
            driver.execute("PRAGMA busy_timeout = 0")
        return driver

    def _check_file(self, connection: Connection) -> None:
        """Raises `SettingsError` if the file is damaged, or if its file system cannot hold a catalog."""
        driver = _driver(connection)
        deadline = time.monotonic() + PATIENCE
        mode = _patiently(lambda: driver.execute("PRAGMA journal_mode = WAL").fetchone(), deadline)
        if mode != ("wal",):
            raise SettingsError(f"catalog.url: {self._path} is on a file system where SQLite has no WAL; {NETWORK}")
        if self._path.stat().st_size <= SMALL:
            (found,) = driver.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise _damaged(self._path, found)

    def _bring_up_to_date(self) -> None:
        with self._transacting(time.monotonic() + PATIENCE) as connection:
            self._migrate(connection)

    def _migrate(self, connection: Connection) -> None:
        """Make or migrate the schema, unless another process just has. Nobody else can write meanwhile."""
        revision = schema.revision_of(connection)
        if revision is None:
            schema.create(connection)
        elif revision > schema.HEAD:
            schema.refuse_newer(connection, revision)
        elif revision < schema.HEAD:
            copy = self._path.with_name(f"{self._path.name}.schema-{revision}")
            copy_sqlite(self._path, copy)
            schema.upgrade(connection)
            log.warning(
                "the catalog goes from schema %s to %s; as it was, it is kept in %s", revision, schema.HEAD, copy
            )


def _engine(path: Path) -> Engine:
    """Make the engine through which SQLAlchemy sees all connections; they share the statements that it has compiled."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        creator=driver_of_this_thread,
        poolclass=NullPool,
        pool_reset_on_return=None,  # every transaction is ended where it was begun
        isolation_level="AUTOCOMMIT",
    )
    engine.dialect.statement_compiler = _Compiler
    return engine


class _Compiler(SQLiteCompiler):
    """Also writes the index that a statement names by `with_hint`."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002  (SQLAlchemy's)
        return text


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Returns what distinguishes *folder* from another of the same name; `None` if there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


# In the threads


def _use(work: Callable[[Connection], T], thread: ConnectionThread) -> T:
    with thread.used() as connection:
        return work(connection)


def _read_something(connection: Connection) -> None:
    """Make SQLite open the files that it keeps beside the database."""
    _driver(connection).execute("SELECT 1 FROM sqlite_schema").fetchone()


def _entered(transaction: AbstractContextManager[Connection]) -> Connection:
    with _translated():
        return transaction.__enter__()


def _called(work: Callable[[Connection], T], connection: Connection) -> T:
    with _translated():
        return work(connection)


def _left(transaction: AbstractContextManager[Connection]) -> None:
    with _translated():
        transaction.__exit__(None, None, None)


def _patiently(begin: Callable[[], T], deadline: float) -> T:
    """Return the result of *begin*, called again while another process holds the lock and until the *deadline*.

    SQLite's own wait sleeps up to 0.1 s between two tries, and starves if another process writes all the time.
    """
    while True:
        try:
            return begin()
        except sqlite3.OperationalError as error:
            if _code(error) not in BUSY or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.0005, 0.004))  # noqa: S311 (only so that two processes do not keep step)


def copy_sqlite(path: Path, copy: Path) -> None:
    """Copy what is committed in the database *path* to the file *copy*, durably, and whole or not at all.

    The copy is of one moment; other processes may read and write meanwhile. Blocks. Raises `CatalogUnavailable`,
    `CatalogFull` and `OSError`.
    """
    part = copy.with_name(f"{copy.name}.part")
    part.unlink(missing_ok=True)
    os.close(open_shared(part, PRIVATE))  # SQLite gives its other files the same mode
    with _translated(), closing(sqlite3.connect(path, timeout=PATIENCE)) as driver:
        driver.execute("VACUUM INTO ?", [str(part)])
    move_over(part, copy)


# Errors: none of the driver's leaves this room


def _code(error: BaseException | None) -> int:
    """Return SQLite's primary result code, or 0 if the error is not SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        code = _code(cause)
        if code in BUGS:
            raise
        log.warning("the catalog does not do its work: %s", cause)
        raise (CatalogFull if code == sqlite3.SQLITE_FULL else CatalogUnavailable) from error


@contextmanager
def _usable(path: Path) -> Generator[None]:
    """While opening: turn an error that waiting does not cure into a `SettingsError`, which stops the start."""
    try:
        with _translated():
            yield
    except CatalogUnavailable as error:
        driver_error = error.__cause__
        cause = driver_error.orig if isinstance(driver_error, DBAPIError) else driver_error
        code = _code(cause)
        if code in DAMAGED:
            raise _damaged(path, str(cause)) from error
        if code in BUSY or isinstance(error, CatalogFull):
            raise
        hint = f"; {NETWORK}" if code in UNSHARED else ""
        raise SettingsError(f"catalog.url: {path} cannot be used: {cause}{hint}") from error
    except OSError as error:
        raise SettingsError(f"catalog.url: {path} cannot be used: {error.strerror}") from error


def _damaged(path: Path, found: str) -> DamagedDatabase:
    return DamagedDatabase(
        f"catalog.url: the database {path} is damaged ({found}); put a backup of it in its place, or make a new one of "
        "the pictures: `imges fsck --rebuild`"
    )
