"""The parent's hub and the links of its processes: shared memory, hits, notices."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from imges.access.hits import LocalHits
from imges.errors import Busy
from imges.imaging.slots import SharedSlots, Slots
from imges.processes.hits import SharedHits
from imges.processes.hub import Hub
from imges.processes.link import Link


@asynccontextmanager
async def linked(hub: Hub, number: int = 2) -> AsyncGenerator[list[Link]]:
    """So many processes of *hub*."""
    pairs = [socket.socketpair() for _ in range(number)]
    attending = [asyncio.create_task(hub.attend(parent, print)) for parent, _ in pairs]
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Link.open(own)) for _, own in pairs]
    await asyncio.gather(*attending)


def hub(processes: int = 1, memory: int = 1) -> Hub:
    return Hub(Slots(processes, memory, tells=False), LocalHits(time.monotonic))


async def test_memory_is_shared_by_all_and_released_when_a_process_dies():
    hub = Hub(Slots(4, 100, tells=False), LocalHits(time.monotonic))
    pairs = [socket.socketpair() for _ in range(2)]
    attending = [asyncio.create_task(hub.attend(parent, print)) for parent, _ in pairs]
    async with Link.open(pairs[1][1]) as link:
        own = Slots(2, 100, tells=False)
        mine, in_a_hurry = SharedSlots(own, link), SharedSlots(own, link, patience=0.2)
        async with Link.open(pairs[0][1]) as other:
            async with other.held(60), mine.held(40):
                with pytest.raises(Busy):
                    async with in_a_hurry.held(1):
                        pass
            await until_free(hub, 100)
            holding = asyncio.create_task(hold_for_ever(SharedSlots(Slots(2, 100, tells=False), other), 60))
            await until_free(hub, 40)
            with pytest.raises(Busy):
                async with in_a_hurry.held(50):
                    pass
        async with mine.held(100):
            pass
        holding.cancel()
    await asyncio.gather(*attending, holding, return_exceptions=True)


@pytest.mark.parametrize("what", ["forget", "forget keys"])
async def test_what_one_process_forgets_the_others_forget(what: str):
    """They forget it even before its objects are deleted: no process could notice then that objects are missing."""
    hub = Hub(Slots(1, 1, tells=False), LocalHits(time.monotonic))
    pairs = [socket.socketpair() for _ in range(3)]
    attending = [asyncio.create_task(hub.attend(parent, print)) for parent, _ in pairs]
    heard: list[tuple[int, list[str]]] = []
    keys = [f"2026/11/30/{'ж' * 100}-{number}.png" for number in range(300)]  # of a hundred pictures that expire
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(Link.open(own)) for _, own in pairs]
        for number, link in enumerate(links):
            link.on(what, lambda keys, number=number: heard.append((number, keys)))
        links[0].tell(what, keys)
        async with asyncio.timeout(5):
            while len(heard) < 2:
                await asyncio.sleep(0.01)
        assert await links[2].ask("hit", "a", 1, 60)
    assert sorted(heard) == [(1, keys), (2, keys)]
    await asyncio.gather(*attending)


async def test_a_process_that_sends_nonsense_is_disconnected_and_no_other():
    hub = Hub(Slots(1, 1, tells=False), LocalHits(time.monotonic))
    pairs = [socket.socketpair() for _ in range(2)]

    def heard(name: str, *_: object) -> None:
        raise ValueError(name)

    attending = [asyncio.create_task(hub.attend(parent, heard)) for parent, _ in pairs]
    async with AsyncExitStack() as stack:
        wild, sound = [await stack.enter_async_context(Link.open(own)) for _, own in pairs]
        orphaned = asyncio.Event()
        wild.on("orphaned", orphaned.set)
        wild.tell("nonsense")
        async with asyncio.timeout(20):
            await orphaned.wait()  # the process ends then, and another takes its place
        with pytest.raises(Busy):
            await wild.ask("hit", "a", 1, 60)
        assert await sound.ask("hit", "a", 1, 60)
    await asyncio.gather(*attending)


async def until_free(hub: Hub, memory: int) -> None:
    async with asyncio.timeout(20):
        while hub.slots._free_memory != memory:
            await asyncio.sleep(0.01)


async def hold_for_ever(slots: SharedSlots, memory: int) -> None:
    async with slots.held(memory):
        await asyncio.Event().wait()


async def test_hits_are_counted_for_all_processes_together():
    async with linked(hub()) as links:
        one, other = map(SharedHits, links)
        assert [await hits.acquire_entry("a", 3, 60) for hits in (one, other, one, other)] == [True, True, True, False]
        began, count = await other.get_moving_window("a", 3, 60)
        assert count == 3
        assert 0 <= time.time() - began < 30
        assert not await one.acquire_entry("b", 3, 60, amount=4)


async def test_a_cancelled_wait_for_a_slot_takes_none():
    shared = hub(processes=1, memory=10)
    async with linked(shared) as (one, other):
        async with one.held(10):
            refused = asyncio.create_task(other.held(1).__aenter__())
            await asyncio.sleep(0.1)
            assert not refused.done()
            refused.cancel()
            await asyncio.gather(refused, return_exceptions=True)
        async with other.held(10):  # the cancelled one takes nothing
            pass
        await until_free(shared, 10)


async def test_a_busy_parent_refuses_a_slot():
    class Full(Slots):
        @asynccontextmanager
        async def held(self, memory: int, size: int = 0, client: str | None = None) -> AsyncGenerator[None]:
            raise Busy
            yield

    async with linked(Hub(Full(1, 1, tells=False), LocalHits(time.monotonic))) as (link, _):
        with pytest.raises(Busy):
            async with link.held(1):
                pass


async def test_a_notice_of_the_parent_reaches_all_processes():
    heard: list[tuple[int, bool]] = []
    shared = hub()
    async with linked(shared, 3) as links:
        for number, link in enumerate(links):
            link.on("stop", lambda patient, number=number: heard.append((number, patient)))
            assert await link.ask("hit", "a", 9, 60)  # the parent knows the process now
        shared.tell("stop", True)
        shared.tell("unknown", 1)  # nobody listens
        async with asyncio.timeout(20):
            while len(heard) < 3:
                await asyncio.sleep(0.01)
    assert sorted(heard) == [(0, True), (1, True), (2, True)]


async def test_a_notice_for_the_parent_is_heard_by_it():
    shared, heard = hub(), list[tuple[object, ...]]()
    parent, own = socket.socketpair()
    attending = asyncio.create_task(shared.attend(parent, lambda *notice: heard.append(notice)))
    async with Link.open(own) as link:
        link.tell("lease", "abc")
        assert await link.ask("hit", "a", 1, 60)
    await attending
    assert heard == [("lease", "abc")]


async def test_a_process_whose_parent_dies_learns_it_and_gets_no_more_answers():
    parent, own = socket.socketpair()
    async with Link.open(own) as link:
        orphaned = asyncio.Event()
        link.on("orphaned", orphaned.set)
        asked = asyncio.create_task(link.ask("hit", "a", 1, 60))
        await asyncio.sleep(0)
        parent.close()
        async with asyncio.timeout(20):
            with pytest.raises(Busy):
                await asked
            await orphaned.wait()
        with pytest.raises(Busy):
            await link.ask("hit", "a", 1, 60)
        with pytest.raises(Busy):
            async with link.held(1):
                pass
