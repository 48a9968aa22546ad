"""The catalog in a SQLite file: one thread that writes, some that read and never wait for it.

A whole transaction is one function on a connection, run in a thread: it costs one change of threads instead of
four for each statement (measured against aiosqlite: half the CPU). The functions are plain SQLAlchemy, so that an
`AsyncConnection.run_sync` of another engine can run the same.
"""

import asyncio
import logging
import os
import random
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Self, TypeVar, cast
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, FromClause, NullPool, create_engine
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError

from imges import metrics
from imges.catalog import schema
from imges.catalog.database import Run
from imges.catalog.group_commit import GroupCommit
from imges.catalog.types import DamagedDatabase
from imges.errors import CatalogFull, CatalogUnavailable, SettingsError

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 4.0
"""Seconds that a transaction waits for another process's; the client is to be answered within five."""

READERS = 4
"""Threads that read at the same time."""

SMALL = 32 * 2**20
"""Bytes up to which the whole database is checked at start, in some hundredths of a second."""

PRIVATE = 0o600
"""The database holds addresses of people and secrets; SQLite gives its other files the same mode."""

BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
BUGS = {0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE}
"""Codes that speak of our statements, not of the file."""


class SqliteDatabase:
    """Runs functions on connections, each as one transaction.

    Raises, whatever it runs: CatalogUnavailable (locked for long, I/O error, read-only, damaged), CatalogFull.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = _Connections(path, waits=False)
        self._reading = _Connections(path, waits=True)
        self._writer = GroupCommit(self._transaction, lambda connection, text: _driver(connection).execute(text))
        self._readers = ThreadPoolExecutor(READERS, "catalog-reader")
        self._file: int | None = None
        """Kept open, and closed last: to close any descriptor of the file ends SQLite's locks on it."""

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database in the file *path*, which is made where there is none.

        Raises: SettingsError for a file that cannot be used or is damaged; CatalogUnavailable, CatalogFull.
        """
        database = await asyncio.to_thread(cls, path)
        try:
            await database._writer.alone(database._check)  # noqa: SLF001  (its own class's)
        except BaseException:
            await database.close()
            raise
        return database

    async def prepare(self, *, upgrade: bool = False) -> None:  # noqa: ARG002  (nobody else's program uses the file)
        """Make the schema, or bring it up to date after a copy. Raises: SettingsError."""
        await self._writer.alone(self._prepare)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """The result of *work*, called in a transaction of its own; committed, and durable, when this returns.

        Works of one process run one after the other, in the order of their calls; those that wait share a commit.
        """
        with metrics.catalog("write", CatalogUnavailable):
            return await self._writer.run(work, time.monotonic() + PATIENCE)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """The result of *work*, which only reads; each of its statements sees what was committed before it."""
        with metrics.catalog("read", CatalogUnavailable):
            return await asyncio.get_running_loop().run_in_executor(self._readers, partial(self._look, work))

    @asynccontextmanager
    async def long_transaction(self) -> AsyncGenerator[Run]:
        """One transaction for all that is run in the block; nobody else can write meanwhile."""
        transaction = self._transacting(time.monotonic() + PATIENCE)
        connection = await self._writer.alone(partial(_entered, transaction))

        async def run(work: Callable[[Connection], T]) -> T:
            return await self._writer.alone(partial(_called, work, connection))

        try:
            yield run
        except BaseException as error:
            await self._writer.alone(partial(transaction.__exit__, type(error), error, error.__traceback__))
            raise
        await self._writer.alone(partial(_left, transaction))

    async def close(self) -> None:
        """Finish what was begun and give everything back."""
        await asyncio.to_thread(self._close)

    @contextmanager
    def _transaction(self, deadline: float) -> Generator[Connection]:
        with _translated(), self._transacting(deadline) as connection:
            yield connection

    @contextmanager
    def _transacting(self, deadline: float) -> Generator[Connection]:
        with self._writing.one() as connection:
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
        """Raises: CatalogUnavailable where somebody took the file away: what is written to it now goes with us."""
        if self._file is not None and (not os.fstat(self._file).st_nlink or not self._path.exists()):
            log.error("the catalog's file %s is gone; put it back, and restart", self._path)
            raise CatalogUnavailable

    def _look(self, work: Callable[[Connection], T]) -> T:
        with _translated(), self._reading.one() as connection:
            return work(connection)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._reading.close()
        self._writing.close()
        if self._file is not None:
            os.close(self._file)

    # Opening

    def _check(self) -> None:
        with _usable(self._path):
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
            with self._reading.one() as connection:
                self._check_file(_driver(connection), time.monotonic() + PATIENCE)

    def _prepare(self) -> None:
        deadline = time.monotonic() + PATIENCE
        with _usable(self._path):
            with self._reading.one() as connection:
                revision = schema.revision_of(connection)
            if revision != schema.HEAD:
                with self._transacting(deadline) as connection:
                    self._bring_up_to_date(connection)
            self._connect()

    def _connect(self) -> None:
        """Make all connections, so that the files that are open do not grow in number with the load."""
        with ExitStack() as stack:
            for connections in (self._writing, *[self._reading] * READERS):
                schema.revision_of(stack.enter_context(connections.one()))

    def _check_file(self, driver: sqlite3.Connection, deadline: float) -> None:
        """Raises: SettingsError where the file is damaged, or where its file system cannot hold a catalog."""
        mode = _patiently(lambda: driver.execute("PRAGMA journal_mode = WAL").fetchone(), deadline)
        if mode != ("wal",):
            raise SettingsError(f"catalog.url: {self._path} is on a file system where SQLite has no WAL")
        if self._path.stat().st_size <= SMALL:
            (found,) = driver.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise _damaged(self._path, found)

    def _bring_up_to_date(self, connection: Connection) -> None:
        """Make or migrate the schema; nobody else can write meanwhile, and another process may just have done it."""
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


def _engine(path: Path, *, waits: bool) -> Engine:
    """Connections to the existing file *path*; where SQLite does not wait for a lock itself, `_patiently` does."""

    def connect() -> sqlite3.Connection:
        address = f"file:{quote(str(path.absolute()))}?mode=rw"
        driver = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        driver.execute("PRAGMA synchronous = FULL")
        driver.execute("PRAGMA foreign_keys = ON")
        driver.execute("PRAGMA secure_delete = ON")  # nothing of a deleted picture stays behind in free pages
        if not waits:
            driver.execute("PRAGMA busy_timeout = 0")
        return driver

    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        creator=connect,
        poolclass=NullPool,
        pool_reset_on_return=None,  # every transaction is ended where it was begun
        isolation_level="AUTOCOMMIT",
    )
    engine.dialect.statement_compiler = _Compiler
    return engine


class _Compiler(SQLiteCompiler):
    """Also writes the index that a statement is to run along, where it says one by `with_hint`."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002  (SQLAlchemy's)
        return text


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


class _Connections:
    """Open connections to *path* that are used again: to get one from SQLAlchemy takes as long as a statement.

    Transactions are the driver's: SQLAlchemy begins and ends none.
    """

    def __init__(self, path: Path, *, waits: bool) -> None:
        self._engine = _engine(path, waits=waits)
        self._idle: list[Connection] = []

    @contextmanager
    def one(self) -> Generator[Connection]:
        """A connection; after an error of the driver it is not used again, for it may have lost its file."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            yield connection
        except (DBAPIError, sqlite3.Error):
            connection.invalidate()
            connection.close()
            raise
        except BaseException:
            self._idle.append(connection)
            raise
        self._idle.append(connection)

    def close(self) -> None:
        """Close those that are not in use."""
        while self._idle:
            self._idle.pop().close()


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
    """The result of *begin*, tried until no other process is in the way, but not beyond the *deadline*.

    SQLite's own wait sleeps up to 0.1 s between two tries, and starves beside a process that writes all the time.
    """
    while True:
        try:
            return begin()
        except sqlite3.OperationalError as error:
            if _code(error) not in BUSY or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.0005, 0.004))  # noqa: S311 (only so that two do not keep step)


def copy_sqlite(path: Path, copy: Path) -> None:
    """All that is committed in the database *path*, durably in the file *copy*, whole or not at all.

    As of one moment, while others read and write. Blocking. Raises: CatalogUnavailable, CatalogFull; OSError.
    """
    part = copy.with_name(f"{copy.name}.part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    try:
        with _translated(), closing(sqlite3.connect(path, timeout=PATIENCE)) as driver:
            driver.execute("VACUUM INTO ?", [str(part)])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(copy)
    folder = os.open(copy.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# Errors: nothing of the driver's leaves this room


def _code(error: BaseException | None) -> int:
    """SQLite's primary result code; 0 for what SQLite did not say."""
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
    """While opening: what will not get better by waiting stops the start."""
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
        raise SettingsError(f"catalog.url: {path} cannot be used: {cause}") from error
    except OSError as error:
        raise SettingsError(f"catalog.url: {path} cannot be used: {error.strerror}") from error


def _damaged(path: Path, found: str) -> DamagedDatabase:
    return DamagedDatabase(
        f"catalog.url: the database {path} is damaged ({found}); put a backup of it in its place, or make a new one of "
        "the pictures: `imges fsck --rebuild`"
    )
