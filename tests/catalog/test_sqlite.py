"""The catalog in a SQLite file: the suite, and what only a file can suffer."""

import asyncio
import os
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from imges.catalog import Catalog, Image, KeyTaken, open_catalog, prepared
from imges.catalog.sqlite import SqliteDatabase
from imges.errors import CatalogFull, CatalogUnavailable, SettingsError
from tests.catalog.pictures import MINUTE, NOON, claim_abandoned, new_image
from tests.catalog.suite import CatalogSuite, delete, published


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "imges.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
async def catalog(url: str) -> AsyncGenerator[Catalog]:
    async with open_catalog(url) as catalog:
        await catalog.keys.ensure_guest(b"hash of guest", None)
        yield catalog


@pytest.fixture
async def lease(catalog: Catalog) -> str:
    return await catalog.leases.take(MINUTE)


def sqlite_below(catalog: Catalog) -> SqliteDatabase:
    assert isinstance(catalog._database, SqliteDatabase)
    return catalog._database


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Holds the lock of another process that writes."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def opened(file: Path) -> int:
    """How often this process has *file* open, or one that SQLite keeps beside it."""
    links = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    return sum(link.startswith(str(file)) for link in links)


async def test_open_files_do_not_grow_with_the_load(catalog: Catalog, file: Path):
    before = opened(file)

    def slow(_: Connection) -> None:
        time.sleep(0.05)  # so that each thread has one

    database = sqlite_below(catalog)
    await asyncio.gather(*(database.read(slow) for _ in range(12)), *(database.write(slow) for _ in range(3)))
    await asyncio.gather(*(catalog.figures.by_place() for _ in range(12)))
    assert opened(file) == before > 0


class TestSqlite(CatalogSuite):
    @pytest.fixture
    def url(self, file: Path) -> str:
        return f"sqlite:///{file}"


# The file


async def test_the_files_are_private_and_commits_durable(catalog: Catalog, lease: str, file: Path):
    await published(catalog, lease, new_image())
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in file.parent.iterdir()} == dict.fromkeys(
        ("imges.db", "imges.db-shm", "imges.db-wal"), "0o600"
    )

    def pragmas(connection: Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await catalog._database.write(pragmas) == ["wal", 2, 1]


async def test_nothing_of_a_deleted_picture_stays_in_the_file(url: str, file: Path):
    async with open_catalog(url) as catalog:
        await catalog.keys.ensure_guest(b"hash of guest", None)
        image = await published(
            catalog, await catalog.leases.take(MINUTE), new_image("secret-name", title="secret-title")
        )
        await delete(catalog, image.number)
    assert b"secret-" not in file.read_bytes()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:password@host/db",
        "sqlite://",
        "sqlite:///",
        "imges.db",
    ],
)
async def test_an_address_that_is_not_served_is_refused_without_showing_it(url: str):
    with pytest.raises(SettingsError, match="should be sqlite:///PATH or postgresql://USER") as caught:
        async with open_catalog(url):
            pass
    assert "password" not in caught.value.message


async def test_names_of_files_may_be_odd(tmp_path: Path):
    file = tmp_path / "50% of #1?mode=ro & ü.db"
    async with open_catalog(f"sqlite:///{file}") as catalog:
        await catalog.check()
    assert file.exists()


# What stops the start


def damage_header(file: Path) -> None:
    file.write_bytes(b"x" * 100 + file.read_bytes()[100:])


def damage_middle(file: Path) -> None:
    content = file.read_bytes()
    page = 4096 * 3
    file.write_bytes(content[:page] + b"\xff" * 4096 + content[page + 4096 :])


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: 4096 * 3 + 100])


def replace_with_text(file: Path) -> None:
    file.write_text("this is not a database, but quite a long text " * 100)


@pytest.mark.parametrize("damage", [damage_header, damage_middle, cut_off, replace_with_text])
async def test_a_damaged_file_stops_the_start_and_is_named(url: str, file: Path, damage: Callable[[Path], None]):
    async with open_catalog(url):
        pass
    damage(file)
    before = file.read_bytes()
    with pytest.raises(SettingsError, match=rf"the database {file} is damaged"):
        async with open_catalog(url):
            pass
    assert file.read_bytes() == before


async def test_a_database_of_another_program_is_refused_and_left_alone(url: str, file: Path):
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(SettingsError, match="not a catalog of imges"):
        async with open_catalog(url):
            pass
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param("missing/imges.db", "No such file or directory", id="no-folder"),
        pytest.param("", "Is a directory", id="a-folder"),
    ],
)
async def test_a_place_where_no_file_can_be_stops_the_start(tmp_path: Path, path: str, reason: str):
    with pytest.raises(SettingsError, match=f"{tmp_path / path} cannot be used: {reason}"):
        async with open_catalog(f"sqlite:///{tmp_path / path}"):
            pass


async def test_many_may_open_a_fresh_catalog_at_once(url: str):
    async def opened() -> bytes:
        async with open_catalog(url) as catalog:
            return await catalog.secret("who", lambda: b"first")

    assert await asyncio.gather(*(opened() for _ in range(8))) == [b"first"] * 8


# Faults while it runs


async def test_a_write_waits_for_another_process(catalog: Catalog, lease: str, file: Path):
    with locked(file):
        waiting = asyncio.create_task(catalog.images.reserve(new_image(), lease=lease))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    assert (await waiting).number


async def test_a_catalog_locked_for_long_is_unavailable_to_all_within_one_wait(
    catalog: Catalog, lease: str, file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("imges.catalog.sqlite.PATIENCE", 0.5)
    image = await published(catalog, lease, new_image())
    start = time.monotonic()
    with locked(file):
        writing = [catalog.images.reserve(new_image(f"{i}"), lease=lease) for i in range(20)]
        answers = await asyncio.gather(*writing, return_exceptions=True)
        assert await catalog.published.by_id(image.id, NOON) == image  # reading goes on
    assert {type(answer) for answer in answers} == {CatalogUnavailable}
    assert 0.5 <= time.monotonic() - start < 5  # one after the other they would take ten
    assert await catalog.images.reserve(new_image("later"), lease=lease)


@asynccontextmanager
async def writer_held(catalog: Catalog, *, until: int) -> AsyncGenerator[None]:
    """Nobody gets to write before so many stand in line."""
    database = sqlite_below(catalog)
    begun, all_there = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        begun.set()
        all_there.wait(20)

    async def let_go() -> None:
        while len(database._commits._line) < until:
            await asyncio.sleep(0.01)
        all_there.set()

    holding = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(begun.wait, 20)
    letting_go = asyncio.create_task(let_go())
    try:
        yield
    finally:
        letting_go.cancel()
        await holding


@pytest.mark.parametrize("way", ["unlinked", "moved", "replaced"])
async def test_a_file_that_was_taken_away_takes_no_pictures(catalog: Catalog, lease: str, file: Path, way: str):
    """What would be written to it would be gone with the process."""
    image = await published(catalog, lease, new_image())
    elsewhere = file.with_name("elsewhere.db")
    os.link(file, elsewhere)
    if way == "unlinked":
        file.unlink()
        elsewhere.unlink()
    elif way == "moved":
        file.unlink()
    else:
        shutil.copy(file, other := file.with_name("other.db"))
        elsewhere.unlink()
        other.replace(file)
    with pytest.raises(CatalogUnavailable):
        await catalog.images.reserve(new_image("b"), lease=lease)
    with pytest.raises(CatalogUnavailable):
        await catalog.check()
    assert await catalog.published.by_id(image.id, NOON) == image
    if way == "moved":
        elsewhere.rename(file)
        assert await catalog.images.reserve(new_image("b"), lease=lease)


async def test_writers_in_line_share_a_commit(catalog: Catalog, lease: str):
    """A writer that is refused, or breaks, undoes nothing of the others."""
    await catalog.images.reserve(new_image("taken"), lease=lease)
    said: list[str] = []

    def listen(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(said.append)

    def breaks(connection: Connection) -> None:
        raise ZeroDivisionError

    await catalog._database.write(listen)
    names = [*(f"{i}" for i in range(10)), "taken", *(f"{i}" for i in range(10, 20))]
    async with writer_held(catalog, until=len(names)):
        said.clear()
        writing = [catalog.images.reserve(new_image(name), lease=lease) for name in names]
        answers = await asyncio.gather(*writing, return_exceptions=True)
    assert [type(answer) for answer in answers] == [*[Image] * 10, KeyTaken, *[Image] * 10]
    assert said.count("COMMIT") == 2  # one of the writer that they waited for, and one of all of them
    rows = [answer for answer in answers if isinstance(answer, Image)]
    assert len({row.number for row in rows}) == 20

    answers = await asyncio.gather(
        *(catalog.images.publish(row, lease=lease) for row in rows[:10]),
        catalog._database.write(breaks),
        *(catalog.images.publish(row, lease=lease) for row in rows[10:]),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [*[Image] * 10, ZeroDivisionError, *[Image] * 10]


async def test_a_full_disk_is_reported_and_recovers(catalog: Catalog, lease: str):
    image = await published(catalog, lease, new_image())

    def fill_up(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await catalog._database.write(fill_up)
    uploads = [catalog.images.reserve(new_image(f"{i}"), lease=lease) for i in range(100)]
    with pytest.raises(CatalogFull) as caught:
        await asyncio.gather(*uploads)  # the first ones fit into the pages that are there
    assert caught.value.status == 507
    assert await catalog.published.by_id(image.id, NOON) == image
    for i in range(100, 120):  # the connection that met the error is not used again
        await catalog.images.reserve(new_image(f"{i}"), lease=lease)


async def test_a_file_damaged_while_it_runs_is_unavailable(url: str, file: Path):
    async with open_catalog(url) as catalog:
        await catalog.keys.ensure_guest(b"hash of guest", None)
        lease = await catalog.leases.take(MINUTE)
        await published(catalog, lease, new_image())

    async with open_catalog(url) as catalog:
        content = file.read_bytes()
        file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        for reader in sqlite_below(catalog)._reading_threads:  # with the pages that it has in memory
            await reader.run(reader.forget)
        with pytest.raises(CatalogUnavailable):
            await catalog.published.by_id("id-example", NOON)
        file.write_bytes(content)
        assert await catalog.published.by_id("id-example", NOON)


# Size


async def test_no_statement_reads_a_whole_table(catalog: Catalog, lease: str, monkeypatch: pytest.MonkeyPatch):
    """Each takes as long with ten million rows as with ten."""
    monkeypatch.setattr("imges.catalog.images.PAGE", 1)
    ran: set[tuple[str, Any]] = set()

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        ran.add((statement, parameters if isinstance(parameters, tuple) else tuple(parameters[0])))

    def note_prepared(connection: Connection, statement: str, parameters: tuple[Any, ...]) -> prepared.Ran:
        ran.add((statement, parameters))
        return execute(connection, statement, parameters)

    execute = prepared.execute
    monkeypatch.setattr(prepared, "execute", note_prepared)
    database = sqlite_below(catalog)
    engine = database._writer._engine
    event.listen(engine, "before_cursor_execute", note)
    await run_everything(catalog, lease)
    event.remove(engine, "before_cursor_execute", note)
    monkeypatch.undo()

    plans: dict[str, list[str]] = {}

    def explain(connection: Connection) -> None:
        for statement, parameters in ran:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans[statement] = [row.detail for row in plan]

    await database.read(explain)
    assert len(plans) > 25
    scans = {
        (statement, step)
        for statement, steps in plans.items()
        for step in steps
        if re.search("SCAN (images|unique_keys|api_keys)|TEMP B-TREE", step)
    }
    assert scans == set()


async def run_everything(catalog: Catalog, lease: str) -> None:
    """Each statement once."""
    first = await published(catalog, lease, new_image("a", expires=NOON + MINUTE))
    second = await published(catalog, lease, new_image("b"))
    await published(catalog, lease, new_image("e"))
    await catalog.images.reserve(new_image("c", id=None), lease=lease, short_id=str)
    third = await catalog.images.reserve(new_image("d"), lease=lease)
    await catalog.images.withdraw(third.number, lease=lease)
    await catalog.images.forget(third.number)
    await catalog.published.by_id(first.id, NOON)
    await catalog.published.by_key(first.thumb.key, NOON)
    await catalog.published.duplicate_of("guest", first.original.md5, first.original.size, NOON)
    await catalog.images.add_views({first.id: 1})
    await catalog.deletions.begin_expired(NOON + MINUTE, limit=10)
    await catalog.deletions.begun(limit=10)
    await catalog.deletions.finish(first.number)
    await catalog.leases.give_back(lease)
    mine = await catalog.leases.take(MINUTE)
    await claim_abandoned(catalog, lease=mine, now=NOON, limit=10)
    assert [image async for image in catalog.published.each(api_key="guest")]
    assert [image async for image in catalog.published.each(before=NOON + MINUTE)]
    assert [image async for image in catalog.published.each(network=ip_network("192.0.2.0/24"))]
    await catalog.images.forget_addresses(NOON + MINUTE)
    await catalog.keys.by_hash(b"hash of guest")
    await catalog.keys.touch("guest", NOON)
    await catalog.deletions.begin(second.number)
    await catalog.check()
