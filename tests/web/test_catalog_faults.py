"""The catalog is locked, read-only, slow or away: uploads are refused in time, pictures are served, nothing half-done
stays."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Connection

from tests import drawn
from tests.faults import Fault, Way
from tests.servers import PostgresServer
from tests.web.conftest import Server, Start

DOT = drawn.png()

ANSWERED = 7.9
"""Seconds within which a client gets an answer: five, and some for a busy machine. To wait twice would take longer."""
HOPELESS = 3.9
"""Seconds until a view goes on without a catalog that did not answer before: one, and some for a busy machine."""


async def refused_in_time(server: Server) -> None:
    """An upload is refused until later, and leaves nothing behind."""
    files = server.files()
    began = time.monotonic()
    answer = await server.upload(DOT)
    assert time.monotonic() - began < ANSWERED
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "out of reach" in answer.json["error"]["message"]
    assert await server.nothing_beyond(files)


@contextmanager
def locked(file: Path) -> Generator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


async def test_a_locked_database_refuses_uploads_in_time_and_serves_pictures(start: Start):
    async with start() as server:
        image = await server.uploaded(DOT)
        fresh = await server.uploaded(DOT)
        with locked(server.data_dir / "imges.db"):
            await server.get(image["url"])
            await refused_in_time(server)
            assert (await server.get(fresh["url"])).body == DOT
            assert (await server.get(fresh["url_viewer"])).status == 200
        assert (await server.upload(DOT)).status == 200


async def test_a_database_that_cannot_be_written_refuses_uploads_and_recovers(start: Start):
    async with start() as server:
        image = await server.uploaded(DOT)

        def make_read_only(connection: Connection) -> None:
            connection.exec_driver_sql("PRAGMA query_only = ON")

        await server.pictures.catalog._database.write(make_read_only)
        await refused_in_time(server)
        assert (await server.get(image["url"])).body == DOT
        assert (await server.upload(DOT)).status == 200  # with a new connection


@pytest_asyncio.fixture(loop_scope="session")
async def way(postgres: PostgresServer) -> AsyncGenerator[Way]:
    async with Way.to(postgres.socket) as way:
        yield way


@pytest.mark.parametrize("fault", [Fault(up=0, then="hang"), Fault(up=0), None])
async def test_while_postgresql_is_away_pictures_are_served_from_the_disk(
    start: Start, postgres: PostgresServer, way: Way, fault: Fault | None, monkeypatch: pytest.MonkeyPatch
):
    name = (await asyncio.to_thread(postgres.new_database)).partition("@/")[2].partition("?")[0]
    url = f"postgresql://postgres@127.0.0.1:{way.port}/{name}?sslmode=disable"
    async with start(CATALOG__URL=url) as server:
        images = [await server.uploaded(DOT) for _ in range(2)]
        await (way.break_by(fault) if fault else way.refuse())
        await refused_in_time(server)
        for image in images:
            began = time.monotonic()
            answer = await server.get(image["url"])
            assert (answer.status, answer.body) == (200, DOT)
            assert time.monotonic() - began < HOPELESS
        viewer = await server.get(images[0]["url_viewer"])
        assert viewer.status == 503
        assert "Retry-After" in viewer.headers
        assert (await server.get("/readyz")).status == 503
        assert (await server.get("/healthz")).status == 200
        await way.heal()
        monkeypatch.setattr("imges.catalog.postgres.WITHOUT_HOPE", 4.0)  # a busy machine may take longer to connect
        assert (await server.upload(DOT)).status == 200
        assert (await server.get("/readyz")).status == 200
        assert (await server.get(images[0]["url_viewer"])).status == 200
