"""Slots: which request gets a worker first, and that none waits for ever."""

import asyncio

import pytest

from imges.errors import Busy, TooLargeImage
from imges.imaging import slots as slots_module
from imges.imaging.slots import SharedSlots, Slots

MB = 2**20


class Queue:
    """Requests for the worker of *slots*, and the order in which they got it."""

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
    monkeypatch.setattr("imges.imaging.slots.LATER", 20 / MB)  # on a busy machine time passes between two of them
    slots = Slots(1, 100 * MB)
    queue = Queue(slots)
    async with slots.held(MB):
        for number in range(3):
            await queue.add(f"photo {number}", 3 * MB)
        await queue.add("icon", 2000)
        await queue.add("later icon", 2000)
    await queue.all_served()
    assert queue.served == ["icon", "later icon", "photo 0", "photo 1", "photo 2"]


async def test_a_small_file_does_not_pass_one_that_has_waited_for_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.imaging.slots.LATER", 0.05 / MB)
    slots = Slots(1, 100 * MB)
    queue = Queue(slots)
    async with slots.held(MB):
        await queue.add("huge", 100 * MB)  # it counts as LARGE, which is 0.2 s here
        await asyncio.sleep(0.4)
        await queue.add("icon", 2000)
    await queue.all_served()
    assert queue.served == ["huge", "icon"]


async def test_a_request_waits_for_memory_and_one_that_gives_up_lets_others_in():
    slots = Slots(2, 10 * MB)
    queue = Queue(slots)
    async with slots.held(6 * MB):
        await queue.add("needs much", 0, 8 * MB)
        await queue.add("needs little", 0, MB)
        await asyncio.sleep(0.01)
        assert queue.served == []  # a request that needs less memory does not overtake
        queue.tasks["needs much"].cancel()
        await queue.tasks["needs little"]
        assert queue.served == ["needs little"]
        slots._patience = 0.2
        await queue.add("too late", 0, 8 * MB)
        async with asyncio.timeout(20):
            with pytest.raises(Busy):
                await queue.tasks["too late"]
    async with asyncio.timeout(1), slots.held(10 * MB):  # all of the memory was given back
        pass
    with pytest.raises(TooLargeImage):
        async with slots.held(11 * MB):
            pass


async def test_as_many_as_there_are_workers_are_let_in_and_all_of_the_memory_is_given():
    slots = Slots(2, 10 * MB, tells=False)
    queue = Queue(slots)
    async with slots.held(4 * MB), slots.held(6 * MB):
        await queue.add("waits for a worker", 0, 0)
        assert queue.served == []
    await queue.all_served()
    async with slots.held(10 * MB):
        await queue.add("waits for memory", 0, 1)
        assert queue.served == ["waits for a worker"]
    await queue.all_served()
    assert queue.served == ["waits for a worker", "waits for memory"]


async def test_no_request_overtakes_one_that_waits():
    slots = Slots(2, 10 * MB, tells=False)
    queue = Queue(slots)
    async with slots.held(6 * MB):
        await queue.add("large", 0, 5 * MB)
        await queue.add("small", 0, 4 * MB)
        assert queue.served == []
    await queue.all_served()
    assert queue.served == ["large", "small"]


async def test_a_request_that_is_cancelled_in_its_turn_gives_back_what_it_got():
    slots = Slots(1, MB, tells=False)
    queue = Queue(slots)
    async with slots.held(MB):
        await queue.add("first", 0)
        await queue.add("second", 0)
    queue.tasks["first"].cancel()  # it has its turn already, and has not run since
    await queue.all_served()
    assert queue.served == ["second"]
    async with asyncio.timeout(1), slots.held(MB):
        pass


async def test_an_error_inside_gives_everything_back():
    slots = Slots(1, MB, tells=False)
    with pytest.raises(ValueError, match="inside"):
        async with slots.held(MB):
            raise ValueError("inside")
    async with asyncio.timeout(1), slots.held(MB):
        pass


def test_how_long_a_request_waits_and_how_far_large_files_step_back():
    """5 s; 0.4 s for each megabyte, up to 4 of them."""
    assert (5, pytest.approx(0.4), 4 * MB) == (slots_module.PATIENCE, slots_module.LATER * MB, slots_module.LARGE)
    assert Slots(1, 1, tells=False)._patience == 5


async def test_the_metrics_say_how_many_are_in_use(monkeypatch: pytest.MonkeyPatch):
    told: list[dict[str, int]] = []
    monkeypatch.setattr("imges.metrics.decoders", lambda **figures: told.append(figures))
    Slots(2, 10 * MB, tells=False)
    assert told == []
    slots = Slots(2, 10 * MB)
    free = {"limit": 2, "busy": 0, "waiting": 0, "memory_limit": 10 * MB, "memory": 0}
    assert told == [free]
    queue = Queue(slots)
    async with slots.held(4 * MB):
        assert told[-1] == free | {"busy": 1, "memory": 4 * MB}
        await queue.add("waits", 0, 8 * MB)
        assert told[-1] == free | {"busy": 1, "memory": 4 * MB, "waiting": 1}
    await queue.all_served()
    assert told[-1] == free


async def test_slots_of_several_processes_are_held_together():
    own, all_ = Slots(2, 10 * MB, tells=False), Slots(1, 8 * MB, tells=False)
    shared = SharedSlots(own, all_, patience=0.1)
    async with shared.held(5 * MB, 0):
        assert (own._free_memory, all_._free_memory) == (5 * MB, 3 * MB)
        with pytest.raises(Busy):
            async with asyncio.timeout(20), shared.held(MB):
                pass
        assert (own._free_workers, own._free_memory) == (1, 5 * MB)  # what it had got of our own
    assert (own._free_memory, all_._free_memory) == (10 * MB, 8 * MB)
    with pytest.raises(TooLargeImage):
        async with shared.held(9 * MB):
            pass
    with pytest.raises(TimeoutError):  # of the block itself: it is no `Busy`
        async with shared.held(MB):
            raise TimeoutError


async def test_a_client_that_has_half_of_the_workers_waits_while_others_do():
    slots, ends = Slots(4, 100 * MB, patience=20), asyncio.Event()
    served: list[str] = []

    async def use(client: str) -> None:
        async with slots.held(MB, client=client):
            served.append(client)
            await ends.wait()

    greedy = [asyncio.create_task(use("greedy")) for _ in range(4)]
    await asyncio.sleep(0)
    assert served == ["greedy"] * 4  # nobody else was there
    waiting = [asyncio.create_task(use(client)) for client in ("greedy", "greedy", "greedy", "a", "b", "c")]
    await asyncio.sleep(0)
    for task in greedy[:2]:
        task.cancel()
    await asyncio.gather(*greedy[:2], return_exceptions=True)
    await asyncio.sleep(0)
    assert served[4:] == ["a", "b"]
    greedy[2].cancel()
    await asyncio.gather(greedy[2], return_exceptions=True)
    await asyncio.sleep(0)
    assert served[6:] == ["greedy"]  # it has less than half now, and was there before
    ends.set()
    await asyncio.gather(*waiting, greedy[3])
    assert served.count("greedy") == 7
    assert not slots._of_client


async def test_a_client_gets_one_worker_where_there_is_one():
    slots = Slots(1, 100 * MB, patience=20)
    async with slots.held(MB, client="a"):
        pass
    async with slots.held(MB, client="a"):
        pass
