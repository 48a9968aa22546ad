"""The catalog in PostgreSQL, shared by any number of processes and machines.

It runs the same functions as SQLite's threads. Here SQLAlchemy runs each in a greenlet of the event loop, over asyncpg:
waiting for the server costs no thread, and a pool of a few connections serves all.

Whatever happens to the server, a caller gets an answer within `PATIENCE`: the work runs in a task of its own, which is
abandoned then. After a lost connection, or a transaction that the server itself rolled back, the work is tried again
while there is time. A transaction that broke off during its commit is not tried again, because it may be committed.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from imges import metrics
from imges.catalog import schema
from imges.catalog.database import Run
from imges.errors import BadParameter, CatalogFull, CatalogUnavailable, SettingsError

try:
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine
except ImportError as error:
    raise SettingsError(
        "catalog.url is a PostgreSQL database, but its driver is not installed: pip install 'imges[postgres]'"
    ) from error

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 4.0
"""Seconds that a transaction may take, including connecting and waiting for others. Clients get an answer in five."""

WITHOUT_HOPE = 1.0
"""Seconds that a read waits after the server has stopped answering. Pictures are served without the catalog then."""

CONNECTIONS = 8
"""Most connections of a process. A transaction takes some milliseconds."""

RECYCLED = 300
"""Seconds after which a connection is not used again: firewalls drop idle ones without a notice."""

SESSION = {
    "application_name": "imges",
    "statement_timeout": "4s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "5s",  # a node that lost its power holds no locks for longer
    "tcp_user_timeout": "10s",
}
"""Settings of each connection, so that the server ends work that we have abandoned."""

SETTING_UP = int.from_bytes(b"imges")
"""The advisory lock of the process that makes or migrates the schema."""

AGAIN = {"40001", "40P01"}
"""SQLSTATEs of transactions that the server rolled back because of another: serialization failure, deadlock."""

LOST = ("08", "57P")
"""SQLSTATEs of ended connections: lost, or closed because the server stops, crashed or starts."""

TROUBLE = ("08", "25006", "28", "3D", "42501", "53", "55P03", "57", "58", "F0", "XX")
"""SQLSTATEs that say something about the server, not about our statements: read-only, refused, too many, stopped."""

DISK_FULL = "53100"
NO_TEXT = "22021"
"""A NUL, which SQLite keeps and PostgreSQL does not."""

UNUSABLE = ("08P01", "0A", "28", "3D", "3F", "42501", "22023", "42704")
"""SQLSTATEs that, while opening, do not go away by waiting: wrong password, no such database, no right to use it."""


class PostgresDatabase:
    """See `Database`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = create_async_engine(
            _shown(url),
            async_creator=self._connect,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=PATIENCE,
            pool_recycle=RECYCLED,
            pool_use_lifo=True,
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._answers = True

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database at *url*. Raises `SettingsError` if it cannot be used; `CatalogUnavailable`."""
        database = cls(url)
        try:
            with _usable(url):
                await database.read(_check_encoding)
        except BaseException:
            await database.close()
            raise
        return database

    async def prepare(self, *, upgrade: bool = False) -> None:
        with _usable(self._url):
            if await self.read(schema.revision_of) == schema.HEAD:
                return
            setting_up = partial(_set_up, upgrade=upgrade)
            if upgrade:
                async with self.long_transaction() as run:
                    await run(setting_up)
            else:
                await self._in_time(PATIENCE, partial(self._transaction, setting_up))

    async def write(self, work: Callable[[Connection], T]) -> T:
        with metrics.catalog("write", CatalogUnavailable):
            return await self._in_time(PATIENCE, partial(self._written, work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        with metrics.catalog("read", CatalogUnavailable):
            return await self._in_time(PATIENCE if self._answers else WITHOUT_HOPE, partial(self._read, work))

    @asynccontextmanager
    async def long_transaction(self) -> AsyncGenerator[Run]:
        try:
            async with self._engine.begin() as connection:
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                yield connection.run_sync
        except DRIVERS as error:
            _raise_translated(error)

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE)
        try:
            async with asyncio.timeout(1):
                await self._engine.dispose()
        except (TimeoutError, OSError, DBAPIError):
            log.warning("connections to the catalog were not ended in time")

    # Transactions

    async def _in_time(self, seconds: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of *work*, run as a task: neither a cancelled caller nor a dead connection delays it."""
        task = asyncio.create_task(self._bounded(seconds, work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=seconds + 0.1)  # to end the connection may take two seconds more
        if not done:
            raise CatalogUnavailable
        return task.result()

    async def _bounded(self, seconds: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            async with asyncio.timeout(seconds):
                result = await work()
        except TimeoutError as error:
            if self._answers:
                log.warning("the catalog does not answer")
            self._answers = False
            raise CatalogUnavailable from error
        self._answers = True
        return result

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not log it: the caller has it, or has gone

    async def _written(self, work: Callable[[Connection], T]) -> T:
        """Try until there is no time left, so that an upload survives a restart of the server."""
        while True:
            try:
                return await self._transaction(work)
            except _TryAgain as again:
                log.debug("a transaction is tried again: %s", again.error)
            await asyncio.sleep(random.uniform(0.01, 0.1))  # noqa: S311 (only so that two do not keep step)

    async def _transaction(self, work: Callable[[Connection], T]) -> T:
        """Raises `_TryAgain` if it is certain that nothing was committed."""
        committing = False
        try:
            async with self._engine.connect() as connection:
                await connection.begin()
                result = await connection.run_sync(work)
                committing = True
                await connection.commit()
        except DRIVERS as error:
            if _state(error) in AGAIN or (_is_lost(error) and not committing):
                raise _TryAgain(error) from error
            _raise_translated(error)
        return result

    async def _read(self, work: Callable[[Connection], T]) -> T:
        """Try once more with another connection if that of the pool was lost meanwhile. Other errors raise at once."""
        tries = 2
        while True:
            tries -= 1
            try:
                async with self._reading.connect() as connection:
                    return await connection.run_sync(work)
            except DRIVERS as error:
                if not tries or isinstance(error, OSError) or not _is_lost(error):
                    _raise_translated(error)

    # Opening

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self._url, timeout=PATIENCE, server_settings=SESSION)


class _TryAgain(CatalogUnavailable):
    """Nothing was committed: *error* says that the connection was lost or the transaction rolled back."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _check_encoding(connection: Connection) -> None:
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise SettingsError(f"catalog.url: the database has the encoding {encoding}; create one with UTF8")


def _set_up(connection: Connection, *, upgrade: bool) -> None:
    """Make or migrate the schema. The first process does it; the others wait and find it done."""
    if upgrade:  # after one that was killed, the server may go on with its statement for a while
        connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": SETTING_UP})
    revision = schema.revision_of(connection)
    if revision is None:
        schema.create(connection)
    elif revision > schema.HEAD:
        schema.refuse_newer(connection, revision)
    elif revision < schema.HEAD:
        if not upgrade:
            how = "run `imges catalog upgrade` (nodes that still run the version before go on)"
            if revision < schema.OLDEST_PROGRAM:
                how = "stop all nodes and run `imges catalog upgrade` (it no longer serves the version before)"
            raise SettingsError(
                f"catalog.url: the catalog has schema {revision}, this program wants {schema.HEAD}; {how}"
            )
        schema.upgrade(connection)


# The address


MALFORMED = "catalog.url should be postgresql://USER:PASSWORD@HOST/NAME; write what is special in the password as %XX"


def _shown(url: str) -> URL:
    """Return *url* without user and password, for SQLAlchemy and for messages.

    Raises `SettingsError` if it is not an address.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket without its other one, as in a password
        raise SettingsError(MALFORMED) from None
    hosts = parts.netloc.rpartition("@")[2]
    ports = [port for host in hosts.split(",") if (port := host.rpartition("]")[2].partition(":")[2])]
    if not all(port.isdigit() for port in ports):
        raise SettingsError(MALFORMED)
    if not hosts:
        hosts = parse_qs(parts.query).get("host", [""])[-1]
    host, port = (hosts.rpartition(":")[0], int(ports[0])) if len(ports) == 1 and "," not in hosts else (hosts, None)
    return URL.create(
        "postgresql+asyncpg", host=host.strip("[]") or None, port=port, database=parts.path.lstrip("/") or None
    )


def _without_secrets(message: str, url: str) -> str:
    parts = urlsplit(url)
    secrets = [parts.netloc.rpartition("@")[0].partition(":")[2], *parse_qs(parts.query).get("password", [])]
    for secret in filter(None, [*secrets, *map(unquote, secrets)]):
        message = message.replace(secret, "…")
    return message


# Errors: none of the driver's leaves this module

DRIVERS = (
    DBAPIError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # an answer that is not PostgreSQL's, such as a proxy's
    OSError,
    PoolTimeoutError,
)


def _cause(error: BaseException | None) -> BaseException | None:
    """Return the driver's error inside those that SQLAlchemy and we made of it."""
    while error is not None and not isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        error = error.__cause__
    return error


def _state(error: BaseException) -> str:
    """Return the SQLSTATE of *error*, empty if it does not come from the server."""
    return getattr(_cause(error), "sqlstate", None) or ""


def _is_lost(error: Exception) -> bool:
    """Return whether the connection was lost, or could not be made."""
    return (
        isinstance(error, OSError)
        or (isinstance(error, DBAPIError) and error.connection_invalidated)
        or _state(error).startswith(LOST)
        or isinstance(_cause(error), OSError)
    )


def _raise_translated(error: Exception) -> NoReturn:
    """Raise the error of ours that *error* means. An error in our own statements is raised as it is."""
    state = _state(error)
    if state == NO_TEXT:
        raise BadParameter("a text has a character that the catalog cannot keep") from error
    lost = (
        _is_lost(error)
        or isinstance(error, PoolTimeoutError | asyncpg.InternalClientError)
        or state.startswith(TROUBLE)
    )
    if not lost:
        raise error
    log.warning("the catalog does not do its work: %s", _cause(error) or error)
    raise (CatalogFull if state == DISK_FULL else CatalogUnavailable) from error


@contextmanager
def _usable(url: str) -> Generator[None]:
    """While opening, turn errors that do not go away by waiting into `SettingsError`, which stops the start."""
    try:
        yield
    except SettingsError:
        raise
    except (CatalogUnavailable, *DRIVERS, ValueError) as error:
        cause = _cause(error) or error
        where = _shown(url).set(drivername="postgresql").render_as_string()
        found = _without_secrets(str(cause) or type(cause).__name__, url)
        unusable = isinstance(cause, ValueError | ssl.SSLCertVerificationError)
        if unusable or _state(error).startswith(UNUSABLE):
            raise SettingsError(f"catalog.url is {where}: {found}") from error
        if isinstance(error, CatalogFull) or not isinstance(error, CatalogUnavailable):
            raise
        raise CatalogUnavailable(f"catalog.url is {where}: the database is out of reach ({found})") from error
