"""The limit of bytes per second, by a clock that the test turns."""

from collections.abc import AsyncIterator

import pytest

from imges.maintenance.bandwidth import Bandwidth


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were slept; the clock of the loop turns by them."""
    slept: list[float] = []

    class Clock:
        def time(self) -> float:
            return 100 + sum(slept)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("imges.maintenance.bandwidth.asyncio.get_running_loop", Clock)
    monkeypatch.setattr("imges.maintenance.bandwidth.asyncio.sleep", sleep)
    return slept


async def test_all_readers_share_the_limit(slept: list[float]):
    bandwidth = Bandwidth(10)
    assert [len(chunk) async for chunk in bandwidth.limited(chunks(10, 20))] == [10, 20]
    assert slept == [1, 2]
    assert [len(chunk) async for chunk in bandwidth.limited(chunks(5))] == [5]
    assert slept == [1, 2, 0.5]


async def test_without_a_limit_nothing_waits(slept: list[float]):
    assert [len(chunk) async for chunk in Bandwidth(None).limited(chunks(10**6))] == [10**6]
    assert slept == []
