"""Who gets a worker first, and that nobody waits for ever."""

import asyncio

import pytest

from imges.errors import Busy, TooLargeImage
from imges.imaging.slots import Slots

MB = 2**20


class Queue:
    """Requests for the one worker of *slots*, and the order in which they got it."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.served: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, name: str, size: int, memory: int = MB) -> None:
        self.tasks[name] = asyncio.create_task(self._use(name, size, memory))
        await asyncio.sleep(0)

    async def _use(self, name: str, size: int, memory: int) -> None:
        async with self._slots.held(memory, size):
            self.served.append(name)
            await asyncio.sleep(0)

    async def all_served(self) -> None:
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def test_a_small_file_passes_large_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.imaging.slots.LATER", 20 / MB)  # a busy machine takes its time between two of them
    slots = Slots(1, 100 * MB)
    queue = Queue(slots)
    async with slots.held(MB):
        for number in range(3):
            await queue.add(f"photo {number}", 3 * MB)
        await queue.add("icon", 2000)
        await queue.add("later icon", 2000)
    await queue.all_served()
    assert queue.served == ["icon", "later icon", "photo 0", "photo 1", "photo 2"]


async def test_but_not_those_that_wait_for_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.imaging.slots.LATER", 0.05 / MB)
    slots = Slots(1, 100 * MB)
    queue = Queue(slots)
    async with slots.held(MB):
        await queue.add("huge", 100 * MB)  # counts as LARGE: 0.2 s
        await asyncio.sleep(0.4)
        await queue.add("icon", 2000)
    await queue.all_served()
    assert queue.served == ["huge", "icon"]


async def test_memory_is_waited_for_and_who_gives_up_lets_others_in():
    slots = Slots(2, 10 * MB)
    queue = Queue(slots)
    async with slots.held(6 * MB):
        await queue.add("needs much", 0, 8 * MB)
        await queue.add("needs little", 0, MB)
        await asyncio.sleep(0.01)
        assert queue.served == []  # nobody overtakes for want of memory
        queue.tasks["needs much"].cancel()
        await queue.tasks["needs little"]
        assert queue.served == ["needs little"]
        slots._patience = 0.2
        await queue.add("too late", 0, 8 * MB)
        async with asyncio.timeout(20):
            with pytest.raises(Busy):
                await queue.tasks["too late"]
    async with asyncio.timeout(1), slots.held(10 * MB):  # all was given back
        pass
    with pytest.raises(TooLargeImage):
        async with slots.held(11 * MB):
            pass
