"""Two nodes over one S3 store and one PostgreSQL, each a process of its own with a data folder of its own."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from imges.catalog import open_catalog
from tests import drawn
from tests.served import Served, multipart, serving
from tests.servers import PostgresServer, S3Server, running_postgres

DOT = drawn.png()

FORGETS = 30
"""Seconds after which a node looks a picture up in the catalog again."""


@pytest.fixture
def environ(postgres: PostgresServer, seaweedfs: S3Server) -> dict[str, str]:
    place = seaweedfs.settings(seaweedfs.new_bucket())
    s3 = {f"STORAGES__S3__{name.upper()}": str(value) for name, value in place.items()}
    return {"CATALOG__URL": postgres.new_database(), "STORAGE": "s3", **s3}


@pytest.fixture
def nodes(tmp_path: Path, environ: dict[str, str]) -> Generator[list[Served]]:
    with ExitStack() as stack:
        found: list[Served] = []
        for name in "ab":
            (tmp_path / name).mkdir()
            found.append(stack.enter_context(serving(tmp_path / name, **environ)))
        yield found


def wait_until(holds: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def test_a_picture_of_one_node_is_served_and_deleted_at_both(nodes: list[Served]):
    a, b = nodes
    assert a.key == b.key  # the guests' key is made once; each node writes its file
    image = a.upload(DOT)
    assert b.get(image["url"]) == a.get(image["url"]) == (200, DOT)
    assert b.get(image["url_viewer"])[0] == 200
    assert b.request("POST", path_of(image["delete_url"]))[0] == 200
    assert b.get(image["url"])[0] == 410
    wait_until(lambda: a.get(image["url"])[0] == 410, FORGETS + 5)


def test_40_uploads_of_one_name_over_two_nodes_get_40_addresses(nodes: list[Served]):
    contents = [drawn.encoded(drawn.noise(30, 30, seed), "PNG") for seed in range(40)]
    with ThreadPoolExecutor(20) as clients:
        taken = clients.map(lambda one: nodes[one[0] % 2].upload(one[1])["url"], enumerate(contents))
        paths = [path_of(url) for url in taken]
    assert len(set(paths)) == 40
    for node in nodes:
        assert [node.request("GET", path) for path in paths] == [(200, content) for content in contents]


def test_when_the_keeper_dies_the_other_goes_on(nodes: list[Served], environ: dict[str, str], postgres: PostgresServer):
    """What the dead node had pending is taken back when its lease has ended; the test makes that soon."""
    url = environ["CATALOG__URL"]
    a, b = nodes  # the first one is the keeper
    (keeper,) = postgres.run("SELECT lease FROM jobs", url)[0]
    assert {keeper} < {lease for (lease,) in postgres.run("SELECT id FROM leases", url)}
    a.upload(DOT)
    a.process.kill()
    a.process.wait()
    postgres.run(f"UPDATE images SET state = 'pending', lease = '{keeper}'", url)
    postgres.run(f"DELETE FROM leases WHERE id = '{keeper}'", url)
    wait_until(lambda: postgres.run("SELECT count(*) FROM images", url) == [(0,)], 90)
    assert postgres.run("SELECT lease FROM jobs WHERE name = 'upkeep'", url) != [(keeper,)]
    assert b.get(b.upload(DOT)["url"]) == (200, DOT)


def test_views_of_all_nodes_add_up(nodes: list[Served], environ: dict[str, str]):
    a, b = nodes
    image = a.upload(DOT)
    for node, times in ((a, 2), (b, 3)):
        for _ in range(times):
            assert node.request("GET", path_of(image["url_viewer"]), b"", **{"User-Agent": "Mozilla/5.0"})[0] == 200
    for node in nodes:
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(30) == 0

    async def views() -> int:
        async with open_catalog(environ["CATALOG__URL"]) as catalog:
            (views,) = [image.views async for image in catalog.published.each()]
            return views

    assert asyncio.run(views()) == 5


@dataclass(frozen=True)
class Answer:
    """The answer to an upload, and the moments of request and answer."""

    status: int
    body: bytes
    asked: float
    told: float


def test_a_restart_of_postgresql_under_load_leaves_no_row_without_its_objects(
    tmp_path: Path, seaweedfs: S3Server, environ: dict[str, str]
):
    with ExitStack() as stack:
        server = stack.enter_context(running_postgres())
        environ["CATALOG__URL"] = server.new_database()
        served = stack.enter_context(serving(tmp_path, **environ))
        headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": served.key}
        stop = threading.Event()
        answers: list[Answer] = []

        def client(number: int) -> None:
            seed = number * 1000
            while not stop.is_set():
                seed += 1
                body = multipart(drawn.encoded(drawn.noise(20, 20, seed), "PNG"), f"{seed}.png")
                began = time.monotonic()
                status, answer = served.request("POST", "/api/1/upload", body, **headers)
                answers.append(Answer(status, answer, began, time.monotonic()))

        def answered(status: int, since: float = 0) -> bool:
            return any(each.status == status and each.asked > since for each in answers)

        with ThreadPoolExecutor(4) as clients:
            running = [clients.submit(client, number) for number in range(4)]
            try:
                wait_until(lambda: answered(200), 60)
                server.stop()
                time.sleep(5)  # longer than any request waits
                wait_until(lambda: answered(503), 60)
                server.start()
                back = time.monotonic()
                wait_until(lambda: answered(200, since=back), 60)
            finally:
                stop.set()
            for each in running:
                each.result()
        assert {each.status for each in answers} == {200, 503}
        assert max(each.told - each.asked for each in answers) < 10
        served.upload(DOT)  # the node goes on without a restart
        told = {path_of(json.loads(each.body)["image"]["url"]) for each in answers if each.status == 200}
        published = (
            "SELECT '/images/' || key FROM images JOIN files ON image = number"
            " WHERE state = 'published' AND role = 'original'"
        )
        paths = {path for (path,) in server.run(published, environ["CATALOG__URL"])}
        assert told < paths
        assert {served.request("GET", path)[0] for path in paths} == {200}
