"""What a worker can still do: its work, and nothing else."""

import asyncio
import io
import os
import pickle
import resource
import signal
import socket
import subprocess
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imges.errors import ImgesError, ProcessingFailed, QuotaUsedUp
from imges.imaging import cage
from imges.imaging.executor import taken_out
from imges.imaging.pipe import Foreign, _Reader
from imges.imaging.quarantine import DEATHS, KEPT, Quarantine
from imges.imaging.types import Rendition, Renditions
from imges.imaging.workers import Died, OutOfTime, Worker, Workers

pytestmark = pytest.mark.skipif(cage.landlock_abi() < 4, reason="needs Landlock of ABI 4 or newer")


@asynccontextmanager
async def one(spool: Path) -> AsyncGenerator[Worker]:
    workers = Workers("vips", 1, spool)
    try:
        async with workers.one() as worker:
            yield worker
    finally:
        await workers.close()


async def refusal(worker: Worker, function: Any, *arguments: Any) -> str:
    """The kind of error that the worker gets, or what it was given."""
    try:
        return str(await worker.call(function, *arguments, seconds=20))
    except ProcessingFailed as error:
        return type(error.__cause__).__name__


async def test_a_worker_reaches_its_own_folder_and_its_libraries_only(tmp_path: Path):
    secret, listener = tmp_path / "imges.db", socket.create_server(("127.0.0.1", 0))
    secret.write_text("secret")
    beside = tmp_path / "spool" / "another"
    beside.mkdir(parents=True)
    async with one(tmp_path / "spool") as worker:
        own = await worker.folder()
        assert own.parent == tmp_path / "spool"
        assert await refusal(worker, Path.write_bytes, own / "file", b"x") == "1"
        assert await refusal(worker, Path.read_bytes, own / "file") == "b'x'"
        assert "b'" in await refusal(worker, Path.read_bytes, Path(os.__file__))
        for function, *arguments in (
            (Path.read_bytes, secret),
            (Path.read_bytes, Path("/etc/passwd")),
            (Path.read_bytes, Path(f"/proc/{os.getpid()}/environ")),
            (Path.write_bytes, secret, b"x"),
            (Path.write_bytes, beside / "file", b"x"),
            (Path.unlink, secret),
            (os.listdir, beside.parent),
            (os.listdir, "/"),
            (os.symlink, secret, own / "link"),
            (os.link, secret, own / "link"),
            (os.mkdir, own / "folder"),
            (socket.socket,),
            (socket.socket, socket.AF_INET, socket.SOCK_DGRAM),
            (socket.create_connection, listener.getsockname()),
            (os.kill, os.getpid(), 0),
            (subprocess.run, ["/bin/true"]),
            (os.execv, "/bin/true", ["true"]),
        ):
            refused = await refusal(worker, function, *arguments)
            assert refused in {"PermissionError", "OSError"}, (function, arguments, refused)  # OSError: EXDEV for links
    assert secret.read_text() == "secret"
    listener.close()


async def test_what_a_worker_sends_is_not_run(tmp_path: Path):
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "proof"),)

    assert isinstance(_Reader(io.BytesIO(pickle.dumps(Bomb()))).load(), Foreign)
    assert not (tmp_path / "proof").exists()
    honest = QuotaUsedUp()
    assert str(_Reader(io.BytesIO(pickle.dumps(honest))).load()) == str(honest)


def test_only_plain_files_of_the_size_that_was_told_leave_the_cage(tmp_path: Path):
    inside, outside = tmp_path / "cage", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (tmp_path / "secret").write_bytes(b"12345")
    good = Rendition(inside / "original.png", 5, "", "png", 1, 1, 8, None)

    def refused(original: Rendition) -> bool:
        (inside / "thumb.png").write_bytes(b"12345")
        with suppress(ImgesError):
            taken_out(Renditions(original, replace(good, path=inside / "thumb.png"), None, 1), inside, outside)
            return False
        return True

    (inside / "original.png").write_bytes(b"12345")
    assert not refused(good)
    assert (outside / "original.png").read_bytes() == b"12345"
    assert refused(good)  # it is gone
    (inside / "original.png").symlink_to(tmp_path / "secret")
    assert refused(good)
    (inside / "original.png").unlink()
    (inside / "original.png").hardlink_to(tmp_path / "secret")
    assert refused(good)
    (inside / "original.png").unlink()
    (inside / "original.png").write_bytes(b"1234")
    assert refused(good)
    assert refused(replace(good, path=tmp_path / "secret"))
    assert (tmp_path / "secret").read_bytes() == b"12345"


async def test_a_worker_that_dies_costs_its_own_call(tmp_path: Path):
    async with one(tmp_path / "spool") as worker:
        (pid,) = [await worker.call(os.getpid, seconds=20)]
        with pytest.raises(Died):
            await worker.call(os.abort, seconds=20)
        assert await worker.call(os.getpid, seconds=20) != pid
        with pytest.raises(OutOfTime):
            await worker.call(time.sleep, 30, seconds=0.2)
        assert await worker.call(os.getpid, seconds=20) != pid


async def test_a_worker_that_dies_idle_is_replaced(tmp_path: Path):
    async with one(tmp_path / "spool") as worker:
        pid = await worker.call(os.getpid, seconds=20)
        os.kill(pid, signal.SIGKILL)
        assert await worker.call(os.getpid, seconds=20) != pid


async def test_files_that_a_worker_writes_are_bounded(tmp_path: Path):
    async with one(tmp_path / "spool") as worker:
        soft, hard = await worker.call(resource.getrlimit, resource.RLIMIT_FSIZE, seconds=20)
        assert soft == hard == 512 * 2**20


async def test_each_worker_has_a_folder_of_its_own_which_is_emptied(tmp_path: Path):
    workers = Workers("vips", 2, tmp_path / "spool")
    try:
        async with workers.one() as first, workers.one() as second:
            folders = await asyncio.gather(first.folder(), second.folder())
            assert len(set(folders)) == 2
            assert await refusal(first, Path.write_bytes, folders[1] / "file", b"x") == "PermissionError"
            assert await refusal(first, Path.write_bytes, folders[0] / "file", b"x") == "1"
        assert not any(any(folder.iterdir()) for folder in folders)
    finally:
        await workers.close()
    assert not any((tmp_path / "spool").iterdir())


def test_what_killed_three_workers_is_given_to_no_more():
    now = [0.0]
    quarantine = Quarantine(clock=lambda: now[0])
    for _ in range(DEATHS):
        with pytest.raises(Died), quarantine.over("digest"):
            raise Died
    with quarantine.over("another"):
        pass
    reached = False
    with pytest.raises(ProcessingFailed) as refused, quarantine.over("digest"):
        reached = True
    assert not reached
    assert (refused.value.status, refused.value.code) == (422, 320)
    now[0] += KEPT + 1
    with quarantine.over("digest"):
        reached = True
    assert reached
