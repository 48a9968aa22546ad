"""Worker processes as the server holds them: started, replaced, emptied and ended."""

import asyncio
import errno
import logging
import os
import shutil
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from imges.errors import Busy, FormatRefused, ProcessingFailed, SpoolUnavailable
from imges.imaging import open_imaging
from imges.imaging import workers as module
from imges.imaging.workers import Died, OutOfTime, Worker, Workers


@pytest.fixture
async def one(tmp_path: Path) -> AsyncGenerator[Worker]:
    worker = Worker("pillow", tmp_path / "spool")
    yield worker
    await worker.close()


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr("imges.metrics.decoder_died", told.append)
    return told


async def test_a_worker_keeps_its_process_and_its_folder(one: Worker):
    folder = await one.folder()
    assert folder.is_dir()
    assert folder.parent.name.startswith("worker-")
    assert folder.parents[1].stat().st_mode & 0o777 == 0o700
    pids = {await one.call(os.getpid, seconds=30) for _ in range(3)}
    assert len(pids) == 1
    assert await one.folder() == folder
    await one.close()
    assert not folder.exists()
    with pytest.raises(Busy):
        await one.call(os.getpid, seconds=30)


async def test_a_folder_that_was_taken_away_is_made_anew(one: Worker):
    folder = await one.folder()
    pid = await one.call(os.getpid, seconds=30)
    shutil.rmtree(folder)
    again = await one.folder()
    assert again != folder
    assert again.is_dir()
    assert await one.call(os.getpid, seconds=30) != pid


async def test_a_spool_that_cannot_be_made_is_reported(tmp_path: Path):
    (tmp_path / "file").touch()
    worker = Worker("pillow", tmp_path / "file" / "spool")
    with pytest.raises(SpoolUnavailable):
        await worker.folder()
    await worker.close()


async def test_errors_of_ours_come_as_they_are_and_others_are_a_failure(one: Worker, caplog: pytest.LogCaptureFixture):
    folder = await one.folder()
    await one.call(Path.write_bytes, folder / "file", b"%PDF-1.7", seconds=30)
    with pytest.raises(FormatRefused):
        await one.call(module.worker.inspect, folder / "file", frozenset({"png"}), seconds=30)
    with pytest.raises(ProcessingFailed) as failed:
        await one.call(int, "x", seconds=30)
    assert isinstance(failed.value.__cause__, ValueError)
    assert "int failed in a worker" in caplog.text
    assert await one.call(int, "7", seconds=30) == 7


async def test_a_death_is_counted_and_logged_with_its_call(
    one: Worker, deaths: list[str], caplog: pytest.LogCaptureFixture
):
    with pytest.raises(Died):
        await one.call(os._exit, 7, seconds=30)
    assert deaths == ["crash"]
    assert "a worker died in _exit with exit code 7" in caplog.text
    await one.call(os.getpid, seconds=30)  # so that it has started
    with pytest.raises(OutOfTime):
        await one.call(time.sleep, 30, seconds=2)
    assert deaths == ["crash", "timeout"]


async def test_a_death_between_calls_is_logged_and_harms_no_picture(
    one: Worker, deaths: list[str], caplog: pytest.LogCaptureFixture
):
    pid = await one.call(os.getpid, seconds=30)
    os.kill(pid, 9)
    assert await one.call(os.getpid, seconds=30) != pid
    assert deaths == []
    assert "a worker died that had nothing to do, with exit code -9" in caplog.text


async def test_a_long_answer_is_not_read(one: Worker, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    assert len(await one.call(bytes, 2**20 - 100, seconds=30)) == 2**20 - 100
    with pytest.raises(Died):
        await one.call(bytes, 2**20 + 1, seconds=30)
    assert "a worker was ended in bytes: bad message length" in caplog.text
    assert "died" not in caplog.text  # we have ended it


async def test_a_call_whose_caller_is_cancelled_is_ended(one: Worker, caplog: pytest.LogCaptureFixture):
    pid = await one.call(os.getpid, seconds=30)
    call = asyncio.create_task(one.call(time.sleep, 60, seconds=60))
    await asyncio.sleep(0.3)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await one.call(os.getpid, seconds=30) != pid
    assert "died" not in caplog.text


@pytest.mark.parametrize("wait", [0.0, 0.02, 0.1, 0.3, 0.6])
async def test_workers_that_are_closed_while_they_start_are_no_deaths(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wait: float
):
    for _ in range(4):
        limit = timedelta(seconds=8)
        async with open_imaging("pillow", workers=2, limit=limit, memory=2**28, spool=tmp_path / "spool"):
            await asyncio.sleep(wait)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_folder_that_cannot_be_read_for_a_moment_ends_no_worker(
    one: Worker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    await one.folder()
    monkeypatch.setattr(os, "scandir", _fails)
    await one.call(time.sleep, 3 * module.LOOK_EVERY, seconds=30)
    assert not caplog.records


def _fails(_: Path) -> None:
    raise OSError(errno.EIO, "Input/output error")


async def test_a_worker_that_is_closed_ends_its_call(one: Worker, deaths: list[str], caplog: pytest.LogCaptureFixture):
    await one.folder()
    call = asyncio.create_task(one.call(time.sleep, 60, seconds=60))
    await asyncio.sleep(0.3)
    async with asyncio.timeout(20):
        await one.close()
        with pytest.raises(Busy):
            await call
    assert deaths == []
    assert "died" not in caplog.text


async def test_a_folder_is_emptied_before_the_next_request_gets_the_worker(tmp_path: Path):
    workers = Workers("pillow", 1, tmp_path / "spool")
    await workers.start()
    (folder,) = (tmp_path / "spool").glob("*/work")
    async with workers.one() as worker:
        assert worker.is_tidy
        await worker.call(Path.write_bytes, folder / "file", b"x", seconds=30)
        assert not worker.is_tidy
        waiting = asyncio.create_task(_first(workers))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting
    assert not any(folder.iterdir())
    async with workers.one() as worker:
        worker.is_tidy = True
        (folder / "left").touch()
    assert (folder / "left").exists()  # what is tidy is not looked at again
    await workers.close()
    assert not folder.exists()


async def _first(workers: Workers) -> bool:
    async with workers.one() as worker:
        return worker.is_tidy


async def test_all_workers_start_together(tmp_path: Path):
    workers = Workers("pillow", 2, tmp_path / "spool")
    await workers.start()
    assert len(list((tmp_path / "spool").iterdir())) == 2
    async with workers.one() as first, workers.one() as second:
        assert first is not second
    await workers.close()


def test_what_workers_share_is_loaded_once():
    """libvips is not part of it: a process forked from one that has started libvips hangs."""
    assert set(module.PRELOADED) == {"imges.imaging.render", "imges.imaging.worker"}
    assert (module.KILLING, module.LONGEST) == (2, 2**20)


def test_a_worker_that_never_started_is_tidied_and_ended():
    worker = Worker("pillow", Path("/none"))
    worker.is_tidy = False
    worker.tidy()
    assert worker.is_tidy
    assert worker._end() is None
