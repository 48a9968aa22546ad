"""Hits counted in Redis: for all nodes together, and by each process alone while Redis is out of reach."""

import asyncio
import logging
import shutil
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from imges.access.hits import LocalHits
from imges.access.redis import RETRY_AFTER, RedisHits
from imges.errors import SettingsError
from tests.faults import Fault, Way
from tests.servers import free_ports


@contextmanager
def running_redis(folder: Path) -> Generator[int]:
    """Runs a Redis that stores nothing on disk; gives its port."""
    (port,) = free_ports(1)
    program = shutil.which("redis-server")
    assert program, "Debian package redis-server"
    flags = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), "--requirepass", "secret"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *flags], stdout=log)
    try:
        deadline = time.monotonic() + 30
        while b"Ready to accept" not in (folder / "log").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[int]:
    with running_redis(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture
async def way(redis: int) -> AsyncGenerator[Way]:
    async with Way.to(redis) as way:
        yield way


class Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def nodes(way: Way, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[list[RedisHits]]:
    """Two nodes that wait long enough for an answer on a busy machine."""
    monkeypatch.setattr("imges.access.redis.PATIENCE", 60.0)
    url = f"redis://:secret@127.0.0.1:{way.port}/0"
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(RedisHits.open(url, LocalHits(clock))) for _ in range(2)]
        for node in found:
            node._clock = clock
        yield found
        await way.heal()


async def hits(node: RedisHits, name: str, times: int) -> list[bool]:
    return [await node.acquire_entry(name, 5, 60) for _ in range(times)]


async def test_a_limit_is_for_all_nodes_together(nodes: list[RedisHits]):
    taken = [await node.acquire_entry("a", 5, 60) for _ in range(4) for node in nodes]
    assert taken == [True] * 5 + [False] * 3
    began, count = await nodes[1].get_moving_window("a", 5, 60)
    assert count == 5
    assert time.time() - began < 30
    assert await nodes[0].acquire_entry("another", 5, 60)


@pytest.mark.parametrize("fault", [Fault(up=0, then="hang"), Fault(up=0), None])
async def test_while_redis_is_out_of_reach_each_process_counts_alone_and_logs_it_once(
    nodes: list[RedisHits],
    way: Way,
    clock: Clock,
    fault: Fault | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO)
    name = f"b-{fault}"
    assert await hits(nodes[0], name, 3) == [True] * 3
    await (way.break_by(fault) if fault else way.refuse())
    with monkeypatch.context() as patience:
        patience.setattr("imges.access.redis.PATIENCE", 1.0)
        start = time.monotonic()
        assert await hits(nodes[0], name, 7) == [True] * 5 + [False] * 2
        assert time.monotonic() - start < 5  # one of the seven waited
        clock.time += RETRY_AFTER + 1
        assert not await nodes[0].acquire_entry(name, 5, 60)
    await way.heal()
    clock.time += RETRY_AFTER + 1
    assert await hits(nodes[0], name, 3) == [True, True, False]
    told = [record.message for record in caplog.records if record.name == "imges.access.redis"]
    assert len(told) == 2
    assert "out of reach" in told[0]
    assert "again" in told[1]
    assert "secret" not in caplog.text


async def test_with_a_wrong_password_hits_are_counted_locally(redis: int, caplog: pytest.LogCaptureFixture):
    async with RedisHits.open(f"redis://:wrong-one@127.0.0.1:{redis}/0", LocalHits(time.monotonic)) as counts:
        assert await hits(counts, "c", 6) == [True] * 5 + [False]
    assert "out of reach" in caplog.text
    assert "wrong-one" not in caplog.text


async def test_a_malformed_url_stops_the_start_and_is_not_shown():
    with pytest.raises(SettingsError, match=r"limits\.redis_url") as caught:
        async with RedisHits.open("redis://:secret@host:port/0", LocalHits(time.monotonic)):
            pass
    assert "secret" not in caught.value.message


async def test_a_cancelled_request_does_not_spoil_the_connection_for_others(nodes: list[RedisHits]):
    for turns in range(20):
        task = asyncio.create_task(nodes[0].acquire_entry("d", 1000, 60))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await hits(nodes[0], "e", 6) == [True] * 5 + [False]
