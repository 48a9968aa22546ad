"""The catalog in PostgreSQL: the suite, and faults that only a server has."""

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from imges.catalog import Catalog, Search, State, open_catalog
from imges.catalog.postgres import PATIENCE
from imges.errors import BadParameter, CatalogUnavailable, NotFound, SettingsError
from tests.catalog.pictures import MINUTE, NOON, new_image
from tests.catalog.suite import CatalogSuite, count, guest, images_table, published
from tests.faults import Fault, Way
from tests.servers import PostgresServer, running_postgres

REPOSITORY = Path(__file__).parents[2]

ANSWERED = 5
"""Seconds within which a client must get an answer."""
STALLED = 2.9
"""Seconds more that a busy machine may take."""


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


class TestPostgres(CatalogSuite):
    pass


@pytest.fixture
async def way(postgres: PostgresServer) -> AsyncGenerator[Way]:
    async with Way.to(postgres.socket) as way:
        yield way


@pytest.fixture
async def catalog(way: Way, url: str) -> AsyncGenerator[Catalog]:
    """A catalog behind the *way*."""
    name = url.partition("@/")[2].partition("?")[0]
    async with open_catalog(f"postgresql://postgres@127.0.0.1:{way.port}/{name}?sslmode=disable") as catalog:
        await catalog.keys.ensure_guest(b"hash of guest", None)
        yield catalog
        await way.heal()


@pytest.fixture
async def lease(catalog: Catalog) -> str:
    return await catalog.leases.take(MINUTE)


# Opening


async def test_the_first_process_sets_an_empty_database_up(url: str):
    async def opened() -> bytes:
        async with open_catalog(url) as catalog:
            return await catalog.secret("who", lambda: b"first")

    assert await asyncio.gather(*(opened() for _ in range(8))) == [b"first"] * 8


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda url: url.replace("test_", "no_"), 'database "no_.*" does not exist', id="no-database"),
        pytest.param(lambda url: url.replace("postgres@", "with_password:wr%6Fng@"), "authentication failed", id="key"),
        pytest.param(lambda url: url + "&sslmode=perhaps", "sslmode", id="option"),
        pytest.param(lambda url: url + "&no_such_option=1", "no_such_option", id="server-option"),
        pytest.param(
            lambda _: "postgresql://user:wr/ong@host/name", "should be postgresql://", id="password-unescaped"
        ),
    ],
)
async def test_an_error_that_stays_stops_the_start_with_a_message_without_secrets(
    postgres: PostgresServer, url: str, change: Callable[[str], str], told: str
):
    roles = "DO $$ BEGIN CREATE ROLE with_password LOGIN PASSWORD 'right'; EXCEPTION WHEN OTHERS THEN NULL; END $$"
    await asyncio.to_thread(postgres.run, roles)
    with pytest.raises(SettingsError, match=f"catalog.url.*{told}") as caught:
        async with open_catalog(change(url)):
            pass
    assert "wrong" not in caught.value.message
    assert "wr%6Fng" not in caught.value.message


async def test_the_message_names_a_server_that_does_not_answer(tmp_path: Path):
    with pytest.raises(CatalogUnavailable, match=rf"postgresql://\S*{tmp_path.name}.*out of reach \(.*No such file"):
        async with open_catalog(f"postgresql://user:secret@/name?host={tmp_path}"):
            pass


async def test_a_database_of_another_program_is_refused_and_left_alone(postgres: PostgresServer, url: str):
    await asyncio.to_thread(postgres.run, "CREATE TABLE songs (title text)", url)
    with pytest.raises(SettingsError, match="not a catalog of imges"):
        async with open_catalog(url):
            pass
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert await asyncio.to_thread(postgres.run, tables, url) == [("songs",)]


async def test_a_database_of_another_encoding_is_refused(postgres: PostgresServer):
    url = await asyncio.to_thread(
        postgres.new_database, "ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    with pytest.raises(SettingsError, match="encoding LATIN1"):
        async with open_catalog(url):
            pass


def test_the_message_for_a_missing_driver_says_what_to_install():
    code = (
        "import asyncio, sys\nsys.modules['asyncpg'] = None\nfrom imges.catalog import open_catalog\n"
        "async def main():\n    async with open_catalog('postgresql://a/b'): pass\n"
        "asyncio.run(main())"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert "pip install 'imges[postgres]'" in run.stderr.splitlines()[-1]


# Conflicts


async def test_a_deadlock_is_tried_again(catalog: Catalog, lease: str):
    """Two transactions that lock two rows crosswise: the server ends one of them, which is tried again."""
    numbers = [(await published(catalog, lease, new_image(name))).number for name in "ab"]
    both_hold_one = asyncio.Barrier(2)
    tries = 0

    async def lock(order: list[int]) -> None:
        def work(connection: Connection) -> None:
            nonlocal tries
            tries += 1
            row = text("SELECT 1 FROM images WHERE number = :number FOR UPDATE")
            connection.execute(row, {"number": order[0]})
            if tries <= 2:
                await_only(both_hold_one.wait())
            connection.execute(row, {"number": order[1]})

        await catalog._database.write(work)

    await asyncio.gather(lock(numbers), lock(numbers[::-1]))
    assert tries == 3


# Faults


async def test_a_restart_of_the_server_is_survived(caplog: pytest.LogCaptureFixture):
    def restart() -> None:
        server.stop()
        server.start()

    with running_postgres() as server:
        url = await asyncio.to_thread(server.new_database)
        async with open_catalog(url) as catalog:
            await catalog.keys.ensure_guest(b"hash of guest", None)
            lease = await catalog.leases.take(MINUTE)
            for i in range(3):
                images = await asyncio.gather(*(published(catalog, lease, new_image(f"{i}-{n}")) for n in range(20)))
                await asyncio.to_thread(restart)
                assert await catalog.published.by_id(images[0].id, NOON) == images[0]
            assert (await guest(catalog)).pictures == 60
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("fault", [Fault(up=0, then="hang"), Fault(up=0), Fault(down=3), None])
async def test_a_server_out_of_reach_raises_in_time_and_is_found_again(
    catalog: Catalog, way: Way, lease: str, fault: Fault | None, monkeypatch: pytest.MonkeyPatch
):
    assert PATIENCE < ANSWERED
    image = await published(catalog, lease, new_image())
    await (way.break_by(fault) if fault else way.refuse())
    start = time.monotonic()
    asked = [catalog.published.by_id(image.id, NOON) for _ in range(20)]
    asked += [catalog.images.reserve(new_image(f"{i}"), lease=lease) for i in range(20)]
    answers = await asyncio.gather(*asked, catalog.check(), return_exceptions=True)
    assert {type(answer) for answer in answers} == {CatalogUnavailable}
    assert time.monotonic() - start < ANSWERED + STALLED
    if fault and fault.then == "hang":
        start = time.monotonic()
        with pytest.raises(CatalogUnavailable):  # of a server that hangs, views hear sooner: they go on without it
            await catalog.published.by_id(image.id, NOON)
        assert time.monotonic() - start < PATIENCE
    await way.heal()
    monkeypatch.setattr("imges.catalog.postgres.WITHOUT_HOPE", PATIENCE)  # a busy machine may take longer to connect
    assert await catalog.published.by_id(image.id, NOON) == image
    assert await published(catalog, lease, new_image("later"))


async def test_a_slow_server_raises_in_time(catalog: Catalog, way: Way, lease: str):
    await way.break_by(Fault(delay=3))
    start = time.monotonic()
    with pytest.raises(CatalogUnavailable):
        await catalog.images.reserve(new_image(), lease=lease)
    assert time.monotonic() - start < ANSWERED + STALLED


async def test_a_locked_table_raises_in_time_and_leaves_nothing_waiting(catalog: Catalog, lease: str, url: str):
    async with open_catalog(url) as other:
        holding, end = asyncio.Event(), asyncio.Event()

        def lock(connection: Connection) -> None:
            connection.execute(text("LOCK TABLE images"))
            holding.set()
            await_only(end.wait())

        locking = asyncio.create_task(other._database.write(lock))
        await holding.wait()
        start = time.monotonic()
        with pytest.raises(CatalogUnavailable):
            await catalog.images.reserve(new_image(), lease=lease)
        assert time.monotonic() - start < ANSWERED + STALLED
        end.set()
        await asyncio.gather(locking, return_exceptions=True)
        assert await count(catalog, images_table) == 0
        assert await catalog.images.reserve(new_image(), lease=lease)


async def test_a_character_that_it_cannot_keep_is_the_callers_fault(catalog: Catalog, lease: str):
    with pytest.raises(BadParameter):
        await catalog.search.page(Search(text="a\0"), limit=1)
    with pytest.raises(BadParameter):
        await catalog.images.reserve(new_image(title="a\0"), lease=lease)
    assert await catalog.images.reserve(new_image(), lease=lease)


async def test_a_reservation_whose_answer_was_lost_is_taken_back(catalog: Catalog, way: Way, lease: str):
    await way.break_by(Fault(on=b"COMMIT", down=0), times=1)
    with pytest.raises(CatalogUnavailable):
        await catalog.images.reserve(new_image(), lease=lease)
    assert way.befell == 1
    kept = await catalog.images.reserve(new_image("kept", delete_token_hash=b"another"), lease=lease)
    assert await count(catalog, images_table) == 2
    await catalog.images.forget_unheard([new_image().delete_token_hash], lease=lease)
    assert await count(catalog, images_table) == (await guest(catalog)).pictures == 1
    assert (await catalog.images.publish(kept, lease=lease)).state == State.PUBLISHED
    assert await published(catalog, lease, new_image())


async def test_a_transaction_that_broke_off_before_its_commit_is_done_once(catalog: Catalog, way: Way, lease: str):
    await way.break_by(Fault(on=b"UPDATE api_keys", down=0), times=2)
    await catalog.images.reserve(new_image(), lease=lease)
    assert way.befell == 2
    assert await count(catalog, images_table) == (await guest(catalog)).pictures == 1


async def test_a_cancelled_caller_leaves_no_connection_behind(catalog: Catalog, lease: str):
    for turns in range(40):
        task = asyncio.create_task(catalog.published.by_id("nobody", NOON))
        for _ in range(turns % 10):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(NotFound):
        await catalog.published.by_id("nobody", NOON)
