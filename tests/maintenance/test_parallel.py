"""Work on many items, a few at a time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from imges.maintenance.parallel import each


async def items(count: int, taken: list[int]) -> AsyncGenerator[int]:
    for number in range(count):
        taken.append(number)
        yield number


async def test_no_more_items_are_taken_than_are_worked_on():
    taken: list[int] = []
    done: list[int] = []
    working = most = 0

    async def work(item: int) -> None:
        nonlocal working, most
        working += 1
        most = max(most, working)
        assert len(taken) - len(done) <= 4  # three that are worked on, and the next one
        await asyncio.sleep(0.001)
        working -= 1
        done.append(item)

    await each(items(20, taken), work, at_once=3)
    assert (sorted(done), most) == (list(range(20)), 3)


async def test_after_an_error_nothing_is_begun_and_what_was_begun_ends():
    taken: list[int] = []
    ended: list[int] = []

    async def work(item: int) -> None:
        if item == 1:
            raise ValueError(item)
        await asyncio.sleep(0.01)
        ended.append(item)

    with pytest.raises(ValueError, match="1"):
        await each(items(100, taken), work, at_once=2)
    assert ended == [0]
    assert len(taken) < 5


async def test_an_error_of_the_items_is_raised_as_it_is():
    async def failing() -> AsyncGenerator[int]:
        yield 1
        raise OSError("no more")

    async def work(item: int) -> None: ...

    with pytest.raises(OSError, match="no more"):
        await each(failing(), work, at_once=2)
