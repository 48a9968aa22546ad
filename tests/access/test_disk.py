"""Room on the disk."""

import os
import threading
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from imges.access.disk import DiskRoom, free_bytes
from imges.errors import (
    Busy,
    DiskReserve,
)
from tests.access.opening import HOME, Clocks, Open, outcome


async def test_uploads_stop_when_the_disk_is_nearly_full(open_access: Open, tmp_path: Path) -> None:
    async with open_access(disk_reserve=free_bytes(tmp_path) * 2) as access:
        with pytest.raises(DiskReserve):
            await access.admit_upload(HOME)
    async with open_access(disk_reserve=2**20) as access:
        await access.admit_upload(HOME)


async def test_the_disk_is_measured_again_after_a_second(
    open_access: Open, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    free = 0

    def free_bytes(folder: Path) -> int:
        asked.append(folder)
        return free

    monkeypatch.setattr("imges.access.disk.free_bytes", free_bytes)
    async with open_access(disk_reserve=100) as access:
        for _ in range(5):
            assert await outcome(access.admit_upload(HOME)) == (507, 507)
        assert [path.name for path in asked] == [asked[0].name, "images"]  # the data folder and the pictures' folder
        free = 100
        clocks.seconds += 1
        await access.admit_upload(HOME)


async def test_the_disk_is_measured_in_a_thread(open_access: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[threading.Thread] = set()

    def free_bytes(_: Path) -> int:
        threads.add(threading.current_thread())
        return 100

    monkeypatch.setattr("imges.access.disk.free_bytes", free_bytes)
    async with open_access(disk_reserve=100) as access:
        await access.admit_upload(HOME)
    assert threads
    assert threading.main_thread() not in threads


def test_a_folder_yet_to_be_made_is_on_the_disk_of_its_parent(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free = free_bytes(tmp_path / "not" / "yet")
    assert abs(free - disk.f_bavail * disk.f_frsize) < 2**28  # other programs write meanwhile


async def test_room_is_promised_once_and_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imges.access.disk.free_bytes", lambda _: 1000)
    disk = DiskRoom([tmp_path], 200, lambda: 0.0)
    async with disk.room(300) as room:
        await room.extend(300)
        monkeypatch.setattr(
            DiskRoom, "PATIENCE", 0.1
        )  # the disk has been measured: an upload that gets room does not wait
        with pytest.raises(Busy):
            async with disk.room(200):
                pass
        async with disk.room(100) as rest:
            await rest.extend(100)
            with pytest.raises(Busy):
                await rest.extend(101)
    async with disk.room(400) as room:
        await room.extend(400)
        with pytest.raises(DiskReserve):
            await room.extend(401)
    with pytest.raises(DiskReserve):
        async with disk.room(401):
            pass


async def test_a_client_that_announces_much_and_sends_little_takes_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imges.access.disk.free_bytes", lambda _: 1000)
    disk = DiskRoom([tmp_path], 0, lambda: 0.0)
    async with AsyncExitStack() as stack:
        for _ in range(20):
            slow = await stack.enter_async_context(disk.room(400))
            await slow.extend(5)
        async with disk.room(400) as room:
            await room.extend(400)
