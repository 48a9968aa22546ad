"""The thread of a SQLite connection, and each protected name of aiosqlite that it uses."""

import asyncio
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Connection, NullPool, create_engine

from imges.catalog.connection_thread import ConnectionThread, driver_of_this_thread
from imges.catalog.sqlite import SqliteDatabase


def connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, check_same_thread=False)


def connection_thread(file: Path) -> ConnectionThread:
    engine = create_engine("sqlite://", creator=driver_of_this_thread, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    return ConnectionThread("test", partial(connect, file), engine)


@pytest.fixture
async def thread(tmp_path: Path) -> AsyncGenerator[ConnectionThread]:
    thread = await connection_thread(tmp_path / "test.db")
    yield thread
    await asyncio.to_thread(thread.end)


async def driver_of(thread: ConnectionThread) -> Any:
    def find() -> Any:
        with thread.used() as connection:
            return connection.connection.driver_connection

    return await thread.run(find)


# Each protected name of aiosqlite: what moved when the test fails


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncGenerator[Any]:
    """A connection of aiosqlite as it comes."""
    async with aiosqlite.connect(tmp_path / "plain.db", check_same_thread=False) as connection:
        yield connection


async def test_execute_runs_any_function_in_the_thread(plain: Any):
    """`_execute` of aiosqlite no longer takes a function of ours, or runs it elsewhere: see `ConnectionThread.run`."""
    assert await plain._execute(threading.current_thread) is plain._thread
    with pytest.raises(ZeroDivisionError):
        await plain._execute(lambda: 1 // 0)


async def test_tx_is_the_queue_of_pairs_that_the_thread_works_through(plain: Any):
    """`_tx` of aiosqlite is no longer the thread's queue of (future, function), or a future has become obligatory.

    See `ConnectionThread.hand_over`.
    """
    assert isinstance(plain._tx, queue.SimpleQueue)
    ran: list[str] = []

    def breaks() -> None:
        ran.append("breaks")
        raise ZeroDivisionError

    plain._tx.put_nowait((None, breaks))
    plain._tx.put_nowait((None, partial(ran.append, "after")))
    await plain._execute(partial(ran.append, "last"))
    assert ran == ["breaks", "after", "last"]


def test_thread_is_one_that_has_not_started_yet():
    """`_thread` of aiosqlite is no longer a thread that begins at `await`: see `ConnectionThread.__init__` and `.end`.

    The daemon flag can be set only before the thread begins.
    """
    plain: Any = aiosqlite.connect(":memory:")
    assert isinstance(plain._thread, threading.Thread)
    assert not plain._thread.is_alive()
    plain._thread.daemon = True


async def test_connection_is_what_aiosqlite_works_on(plain: Any):
    """`_connection` of aiosqlite is no longer the driver's connection, or its methods work on another.

    `ConnectionThread.driver` replaces it after an error.
    """
    assert isinstance(plain._connection, sqlite3.Connection)
    plain._connection.close()
    plain._connection = sqlite3.connect(":memory:", check_same_thread=False)
    await plain.execute("CREATE TABLE other (number)")
    assert plain._connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("other",)]


async def test_stop_ends_the_thread_and_closes_the_connection_from_any_thread(tmp_path: Path):
    """`stop` of aiosqlite (public) needs an event loop, or keeps the connection open: see `ConnectionThread.end`."""
    plain: Any = await aiosqlite.connect(tmp_path / "plain.db", check_same_thread=False)
    driver = plain._connection
    await asyncio.to_thread(plain.stop)
    await asyncio.to_thread(plain._thread.join, 20)
    assert not plain._thread.is_alive()
    assert plain._connection is None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        driver.execute("SELECT 1")


def test_the_thread_has_no_other_name_of_aiosqlite():
    """Another protected name is used: it needs a test here, and its place in `typings/aiosqlite.pyi`."""
    mine = {name for name in vars(ConnectionThread) if not name.startswith("__")}
    inherited = {name for name in dir(aiosqlite.Connection) if not name.startswith("__")}
    assert mine & inherited == set()
    own: Any = connection_thread(Path("never opened"))
    plain: Any = aiosqlite.connect(":memory:")
    used = set(ConnectionThread.__init__.__code__.co_names)
    for function in (ConnectionThread.run, ConnectionThread.hand_over, ConnectionThread.end, ConnectionThread.driver):
        used |= set(function.__code__.co_names)
    theirs = {name for name in {*vars(plain), *dir(aiosqlite.Connection)} if name.startswith("_")}
    assert used & theirs - {"__init__"} == {"_execute", "_tx", "_thread", "_connection"}
    assert set(vars(own)) - set(vars(plain)) == {"_open", "_engine", "_view", "_is_lost"}


# The thread


async def test_sqlalchemy_sees_the_connection_of_aiosqlite(thread: ConnectionThread):
    assert await driver_of(thread) is thread._connection
    cursor = await thread.execute("SELECT 1")
    assert await cursor.fetchone() == (1,)


async def test_after_an_error_of_the_driver_the_next_job_has_another_connection(thread: ConnectionThread):
    before = await driver_of(thread)

    def breaks() -> None:
        with thread.used() as connection:
            connection.exec_driver_sql("SELECT * FROM missing")

    with pytest.raises(Exception, match="no such table"):
        await thread.run(breaks)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        before.execute("SELECT 1")
    assert (await driver_of(thread)).execute("SELECT 1").fetchone() == (1,)
    assert await driver_of(thread) is thread._connection


async def test_a_connection_that_cannot_be_opened_again_is_tried_at_each_job(thread: ConnectionThread):
    open_, thread._open = thread._open, lambda: sqlite3.connect("/nowhere/at.db")
    await thread.run(thread.forget)
    for _ in range(2):
        with pytest.raises(Exception, match="unable to open"):
            await driver_of(thread)
    thread._open = open_
    assert (await driver_of(thread)).execute("SELECT 1").fetchone() == (1,)


async def test_a_job_goes_on_if_its_caller_is_cancelled(thread: ConnectionThread):
    begun, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        let_go.wait(20)
        ended.set()

    waiting = asyncio.create_task(thread.run(job))
    assert await asyncio.to_thread(begun.wait, 20)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    let_go.set()
    assert await thread.run(ended.is_set)


async def test_the_end_waits_for_what_was_handed_over(tmp_path: Path):
    thread = await connection_thread(tmp_path / "test.db")
    ran: list[int] = []
    for number in range(100):
        thread.hand_over(partial(ran.append, number))
    await asyncio.to_thread(thread.end)
    assert ran == list(range(100))
    assert not thread._thread.is_alive()


def test_a_thread_that_never_began_ends(tmp_path: Path):
    connection_thread(tmp_path / "test.db").end()
    assert not (tmp_path / "test.db").exists()


# Who waits for the threads


async def test_a_slow_read_keeps_no_other_waiting(tmp_path: Path):
    """The same holds if its caller was cancelled. A read that was cancelled before it began does not run."""
    before = set(threading.enumerate())
    database = await SqliteDatabase.open(tmp_path / "test.db")
    begun, let_go = threading.Semaphore(0), threading.Event()
    ran: list[str] = []

    def slow(_: Connection) -> None:
        begun.release()
        let_go.wait(20)

    def note(name: str, _: Connection) -> None:
        ran.append(name)

    slow_ones = [asyncio.create_task(database.read(slow)) for _ in range(3)]
    for _ in slow_ones:
        assert await asyncio.to_thread(begun.acquire, timeout=20)
    slow_ones[0].cancel()
    async with asyncio.timeout(20):
        for number in range(10):
            await database.read(partial(note, f"{number}"))
        slow_ones.append(asyncio.create_task(database.read(slow)))
        assert await asyncio.to_thread(begun.acquire, timeout=20)
        late = asyncio.create_task(database.read(partial(note, "cancelled")))
        await asyncio.sleep(0)
        late.cancel()
        let_go.set()
        await database.read(partial(note, "last"))
    assert ran == [*map(str, range(10)), "last"]
    await asyncio.gather(*slow_ones, late, return_exceptions=True)
    await database.close()
    since = set(threading.enumerate()) - before
    assert not [thread for thread in since if thread.name.startswith("catalog-")]


async def test_a_long_transaction_cancelled_in_line_holds_nobody_up(tmp_path: Path):
    database = await SqliteDatabase.open(tmp_path / "test.db")
    begun, let_go = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        begun.set()
        let_go.wait(20)

    async def long() -> None:
        async with database.long_transaction():
            pytest.fail("it was cancelled before it began")

    holding = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(begun.wait, 20)
    waiting = asyncio.create_task(long())
    await asyncio.sleep(0)
    waiting.cancel()
    let_go.set()
    await holding
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(20):
        await database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE later (number)"))
    await database.close()


# The end of the process


def process(file: Path, task: str) -> subprocess.Popen[str]:
    """A process of its own that has begun *task* on the catalog in *file*."""
    command = [sys.executable, "-m", "tests.catalog.ending", str(file), task]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout
    assert running.stdout.readline() == "ready\n", running.communicate()
    return running


@pytest.mark.parametrize("task", ["return", "exit", "stop_loop", "stop_loop_in_a_job"])
def test_a_process_ends_without_closing_the_catalog(tmp_path: Path, task: str):
    """Afterwards, what was committed is there."""
    running = process(tmp_path / "test.db", task)
    try:
        _, errors = running.communicate(timeout=20)
    finally:
        running.kill()
    assert running.returncode == 0, errors
    with sqlite3.connect(tmp_path / "test.db") as driver:
        assert driver.execute("SELECT number FROM kept").fetchall() == [(1,)]
    driver.close()


def test_ctrl_c_ends_a_process_whose_thread_works(tmp_path: Path):
    running = process(tmp_path / "test.db", "wait_in_a_job")
    try:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)
    finally:
        running.kill()
    assert running.returncode != 0
