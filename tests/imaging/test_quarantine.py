"""Files that kill decoders are refused, for an hour, and nothing else is."""

import pytest

from imges.errors import NotAnImage, ProcessingFailed
from imges.imaging import quarantine
from imges.imaging.quarantine import Quarantine
from imges.imaging.workers import Died, OutOfTime


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def kill(held: Quarantine, digest: str, error: Exception | None = None) -> None:
    error = error or Died()
    with pytest.raises(type(error)):
        async with held.over(lambda: digest):
            raise error


async def is_refused(held: Quarantine, digest: str) -> bool:
    try:
        async with held.over(lambda: digest):
            return False
    except ProcessingFailed:
        return True


@pytest.mark.parametrize("error", [Died(), OutOfTime()])
async def test_the_third_death_is_the_last(error: Exception, caplog: pytest.LogCaptureFixture):
    held = Quarantine()
    for death in range(3):
        assert not await is_refused(held, "digest")
        assert "digest" not in caplog.text
        await kill(held, "digest", error)
        assert ("the file with MD5 digest killed 3 decoders" in caplog.text) is (death == 2)
    assert await is_refused(held, "digest")
    assert not await is_refused(held, "another")


async def test_other_errors_are_no_deaths():
    held = Quarantine()
    for _ in range(4):
        await kill(held, "digest", NotAnImage())
        await kill(held, "digest", ProcessingFailed())
    assert not await is_refused(held, "digest")


async def test_a_digest_is_computed_only_after_a_death():
    held = Quarantine()
    asked: list[str] = []

    def digest() -> str:
        asked.append("x")
        return "x"

    async with held.over(digest):
        pass
    assert asked == []
    await kill(held, "another")
    async with held.over(digest):
        pass
    assert asked == ["x"]


async def test_it_is_forgotten_after_an_hour():
    clock = Clock()
    held = Quarantine(clock)
    for _ in range(3):
        await kill(held, "digest")
    clock.now = 3599
    assert await is_refused(held, "digest")
    clock.now = 3600
    assert not await is_refused(held, "digest")


async def test_so_many_digests_are_remembered():
    assert quarantine.MOST == 1000
    assert Quarantine()._deaths.maxsize == 1000
