"""Pictures that were just served come from memory: the same answers, and never of what was deleted."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from http.client import parse_headers
from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio
from cachetools import TTLCache
from multidict import CIMultiDict

from imges import log
from imges.pictures.finding import LOOKUP_LIFE
from imges.web.connection.shutdown import SHUTDOWN
from imges.web.serving.recent_answers import RECENT_ANSWERS
from tests import drawn
from tests.web.conftest import Server, Start

PICTURE = drawn.encoded(drawn.noise(100, 100), "PNG")


class Client:
    """A connection that is spoken to in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, server: Server) -> "Client":
        return cls(*await server.connect())

    async def get(self, path: str, *headers: str) -> tuple[int, CIMultiDict[str], bytes]:
        self.ask(path, *headers)
        return await self.answer()

    def ask(self, path: str, *headers: str) -> None:
        lines = "".join(f"{header}\r\n" for header in ("Host: x", *headers))
        self.writer.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())

    async def answer(self) -> tuple[int, CIMultiDict[str], bytes]:
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, _, rest = head.partition(b"\r\n")
            headers = CIMultiDict(parse_headers(BytesIO(rest)).items())
            return int(first.split()[1]), headers, await self.reader.readexactly(int(headers["Content-Length"]))

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@pytest_asyncio.fixture(loop_scope="session")
async def client(imges: Server) -> AsyncGenerator[Client]:
    client = await Client.to(imges)
    yield client
    await client.close()


def path_of(image: dict[str, Any], server: Server) -> str:
    return image["url"].removeprefix(server.base)


def lose(server: Server, path: str) -> None:
    """Take the file away behind the server's back, so that only memory can answer."""
    server.backing.remove(path.removeprefix("/images/"))


async def test_a_second_answer_is_the_first_again(imges: Server, client: Client):
    path = path_of(await imges.uploaded(PICTURE, "zweiter Blick.png"), imges)
    first, second = await client.get(path), await client.get(path)
    lose(imges, path)
    third = await client.get(path)
    of_each = {"Date", "X-Request-ID"}
    assert sorted(third[1].keys()) == sorted(first[1].keys())
    assert third[1]["X-Request-ID"] != second[1]["X-Request-ID"] != first[1]["X-Request-ID"]
    for status, headers, body in (first, second, third):
        assert (status, body) == (200, PICTURE)
        assert {k: v for k, v in headers.items() if k not in of_each} == {
            k: v for k, v in first[1].items() if k not in of_each
        }


async def test_what_is_deleted_is_gone_at_once(imges: Server, client: Client):
    image = await imges.uploaded(PICTURE)
    path = path_of(image, imges)
    for _ in range(2):
        assert (await client.get(path))[0] == 200
    assert (await imges.post(image["delete_url"])).status == 200
    assert (await client.get(path))[0] == 410


async def test_what_is_deleted_while_it_is_looked_up_is_gone_too(
    imges: Server, client: Client, monkeypatch: pytest.MonkeyPatch
):
    image = await imges.uploaded(PICTURE)
    published, look_up = imges.pictures.catalog.published, imges.pictures.catalog.published.by_key

    async def by_key(*arguments: Any) -> Any:
        row = await look_up(*arguments)
        monkeypatch.undo()
        await imges.pictures.deleting.mark_all([row.id])  # its files go later
        return row

    monkeypatch.setattr(published, "by_key", by_key)
    assert (await client.get(path_of(image, imges)))[0] == 200  # asked in time
    assert (await client.get(path_of(image, imges)))[0] == 410


async def test_what_left_the_disk_is_gone_with_the_next_lookup(start: Start, monkeypatch: pytest.MonkeyPatch):
    passed = 0.0

    class Lookups(TTLCache[str, Any]):
        def __init__(self, maxsize: float, ttl: float) -> None:
            super().__init__(maxsize, ttl, lambda: time.monotonic() + passed)

    monkeypatch.setattr("imges.pictures.finding.TTLCache", Lookups)
    async with start() as server:
        client = await Client.to(server)
        path = path_of(await server.uploaded(PICTURE), server)
        await client.get(path)
        lose(server, path)
        assert (await client.get(path))[0] == 200
        passed = LOOKUP_LIFE
        assert (await client.get(path))[0] == 404
        await client.close()


async def test_an_expiring_picture_ages(start: Start):
    async with start() as server:
        client = await Client.to(server)
        path = path_of(await server.uploaded(PICTURE, expiration="3600"), server)
        first = await client.get(path)
        await asyncio.sleep(1.1)
        second = await client.get(path)
        assert sorted(second[1].keys()) == sorted(first[1].keys())
        left = [int(headers["Cache-Control"].removeprefix("public, max-age=")) for _, headers, _ in (first, second)]
        assert left[1] < left[0] <= 3600
        await client.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Range: bytes=0-3"], 206),
        (["range: bytes=0-3", 'if-range: "other"'], 200),
        (["If-None-Match: *"], 304),
        (['If-Match: "other"'], 412),
        (["If-Modified-Since: Fri, 01 Jan 2038 00:00:00 GMT"], 304),
        (["If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"], 412),
    ],
)
async def test_conditions_and_ranges_hold(imges: Server, client: Client, headers: list[str], status: int):
    path = path_of(await imges.uploaded(PICTURE), imges)
    await client.get(path)
    client.ask(path, *headers)
    assert f" {status} ".encode() in await client.reader.readline()


async def test_requests_in_line_are_answered_in_order(imges: Server, client: Client):
    path = path_of(await imges.uploaded(PICTURE), imges)
    await client.get(path)
    for each in (path, "/healthz", path, "/nothing", path):  # in one piece: the loop has no turn in between
        client.ask(each)
    assert [(await client.answer())[0] for _ in range(5)] == [200, 200, 200, 404, 200]
    client.ask("/readyz")
    await asyncio.sleep(0)  # two pieces
    client.ask(path)
    assert b"ready" in (await client.answer())[2]
    assert (await client.answer())[2] == PICTURE


async def test_a_body_that_comes_along_is_read(imges: Server, client: Client):
    path = path_of(await imges.uploaded(PICTURE), imges)
    await client.get(path)
    body = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000
    client.ask(path, f"Content-Length: {len(body)}")
    client.writer.write(body)
    assert (await client.answer())[2] == PICTURE
    assert (await client.get("/healthz"))[0] == 200


async def test_head_old_clients_and_clients_that_close(imges: Server):
    path = path_of(await imges.uploaded(PICTURE), imges)
    await imges.get(path)
    for method, version, connection, length in (
        ("HEAD", "1.1", "close", 0),
        ("HEAD", "1.1", "keep-alive", 0),
        ("GET", "1.1", "close", len(PICTURE)),
        ("GET", "1.0", "close", len(PICTURE)),
        ("GET", "1.0", "keep-alive", len(PICTURE)),
    ):
        client = await Client.to(imges)
        client.writer.write(f"{method} {path} HTTP/{version}\r\nHost: x\r\nConnection: {connection}\r\n\r\n".encode())
        async with asyncio.timeout(10):
            head = await client.reader.readuntil(b"\r\n\r\n")
            await client.reader.readexactly(length)
            if connection != "close":
                client.ask("/nothing", "Connection: close")
            rest = await client.reader.read()
        if connection != "close":
            assert (b"Connection: keep-alive" in head) == (version == "1.0")
        assert b" 200 OK" in head.splitlines()[0]
        assert rest.partition(b" 404 ")[0] == (b"" if connection == "close" else b"HTTP/1.1")
        await client.close()


async def test_it_is_logged_and_counted(imges: Server, client: Client, caplog: pytest.LogCaptureFixture):
    path = path_of(await imges.uploaded(PICTURE, "ein bïld.png"), imges)
    await client.get(path)
    caplog.set_level(logging.INFO)
    ids: list[str | None] = []
    caplog.handler.addFilter(lambda _: ids.append(log.request_id.get()) or True)
    metric = b'imges_requests_total{method="GET",route="/images/{key}",status="200"} '

    async def counted() -> float:
        text = (await imges.get("/metrics")).body
        return float(text.partition(metric)[2].split(b"\n", 1)[0])

    before = await counted()
    caplog.clear()
    ids.clear()
    _, headers, _ = await client.get(path, "X-Request-ID: from.the_proxy-1")
    [record] = [each for each in caplog.records if each.name == "imges.requests"]
    assert (record.path, record.status) == (path.replace("%C3%AF", "ï").replace("%20", " "), 200)  # pyright: ignore[reportAttributeAccessIssue]
    assert headers["X-Request-ID"] == ids[0] == "from.the_proxy-1"
    assert await counted() == before + 1


async def test_the_last_answers_of_a_server_close(start: Start):
    async with start() as server:
        client = await Client.to(server)
        path = path_of(await server.uploaded(PICTURE), server)
        await client.get(path)
        server.app[SHUTDOWN].begun = True
        assert (await client.get(path))[1]["Connection"] == "close"
        await client.close()


async def test_a_client_that_does_not_read_is_not_answered_without_end(
    imges: Server, client: Client, monkeypatch: pytest.MonkeyPatch
):
    """What is sent and not read is kept for the client; more than that is made when it is read."""
    content = drawn.encoded(drawn.noise(200, 200), "PNG")
    path = path_of(await imges.uploaded(content), imges)
    await client.get(path)
    recent, made = imges.app[RECENT_ANSWERS], list[bytes | None]()
    answer = recent.answer
    monkeypatch.setattr(recent, "answer", lambda *arguments: made.append(answer(*arguments)) or made[-1])
    for _ in range(200):
        client.ask(path)
        await asyncio.sleep(0.001)
    assert len(made) < 100
    for _ in range(200):
        assert (await client.answer())[2] == content


async def test_memory_is_bounded(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.app.MEMORY", 3 * len(PICTURE))
    async with start() as server:
        client = await Client.to(server)
        paths = [path_of(await server.uploaded(PICTURE, f"{number}.png"), server) for number in range(4)]
        for path in paths:
            await client.get(path)
        for path in paths:
            lose(server, path)
        assert [(await client.get(path))[0] for path in reversed(paths)] == [200, 200, 404, 404]
        await client.close()
