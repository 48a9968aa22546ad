"""What a worker can still do: its work, and nothing else."""

import asyncio
import gc
import io
import json
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imges.errors import Busy, ImgesError, ProcessingFailed, QuotaUsedUp
from imges.imaging import cage
from imges.imaging.executor import taken_out
from imges.imaging.pipe import Foreign, _Reader
from imges.imaging.quarantine import DEATHS, KEPT, Quarantine
from imges.imaging.types import Given, Rendition, Renditions
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


INSIDE = """
import ctypes, errno, json, os, sys
from pathlib import Path
from imges.imaging import cage

libc = ctypes.CDLL(None, use_errno=True)
column = cage.MACHINES.index(os.uname().machine)
said = cage.confine(Path(sys.argv[1]))

def outcome(number):
    ctypes.set_errno(0)
    return errno.errorcode.get(ctypes.get_errno(), "done") if libc.syscall(number, -1, 0, 0, 0, 0, 0) < 0 else "done"

calls = {name: outcome(numbers[column]) for name, numbers in cage.FORBIDDEN.items()}
calls["the other numbering"] = outcome(0x40000000 | 39) if column == 0 else "EPERM"
GET_SECCOMP, GET_NO_NEW_PRIVS = 21, 39
print(json.dumps([said, calls, libc.prctl(GET_NO_NEW_PRIVS, 0, 0, 0, 0), libc.prctl(GET_SECCOMP)]))
"""


def test_no_forbidden_call_gets_into_the_kernel(tmp_path: Path):
    told = subprocess.run([sys.executable, "-c", INSIDE, tmp_path], capture_output=True, text=True, check=True)
    said, calls, no_new_privileges, filtering = json.loads(told.stdout)
    assert {name: became for name, became in calls.items() if became != "EPERM"} == {}
    assert calls.keys() >= {
        "socket",
        "execve",
        "kill",
        "ptrace",
        "process_vm_readv",
        "pidfd_getfd",
        "bpf",
        "io_uring_setup",
    }
    assert (no_new_privileges, filtering) == (1, 2)
    assert "Landlock" in said
    assert "seccomp" in said


WITHOUT_SECCOMP = """
import ctypes, socket, sys
from pathlib import Path
from imges.imaging import cage

cage._seccomp = lambda libc: "none"
cage.confine(Path(sys.argv[1]))
connect, bind = (socket.create_connection, ("127.0.0.1", int(sys.argv[2]))), (socket.create_server, ("127.0.0.1", 0))
for function, address in (connect, bind):
    try:
        function(address)
    except PermissionError:
        print("refused")
"""


def test_landlock_alone_keeps_from_tcp(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        asked = [sys.executable, "-c", WITHOUT_SECCOMP, tmp_path, port]
        assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split() == ["refused"] * 2


GREEDY = """
from imges.imaging import worker

def greedy():
    with worker.system_errors(), worker.limited(2**20):
        bytearray(2**29)

try:
    greedy()
except worker.OutOfMemory:
    bytearray(2**29)
    print("refused")
"""


def test_a_header_that_lied_gets_no_more_memory_than_it_told():
    told = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True, check=True)
    assert told.stdout == "refused\n"


async def test_a_worker_leaves_no_core(tmp_path: Path):
    async with one(tmp_path / "spool") as worker:
        assert await worker.call(resource.getrlimit, resource.RLIMIT_CORE, seconds=20) == (0, 0)


async def test_what_a_worker_sends_is_not_run(tmp_path: Path):
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "proof"),)

    assert isinstance(_Reader(io.BytesIO(pickle.dumps(Bomb()))).load(), Foreign)
    assert not (tmp_path / "proof").exists()
    honest = QuotaUsedUp()
    assert str(_Reader(io.BytesIO(pickle.dumps(honest))).load()) == str(honest)


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """What a worker reaches."""
    (tmp_path / "cage").mkdir()
    return tmp_path / "cage"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Where its files are moved to."""
    (tmp_path / "outside").mkdir()
    return tmp_path / "outside"


def test_only_plain_files_of_the_size_that_was_told_leave_the_cage(tmp_path: Path, inside: Path, outside: Path):
    (tmp_path / "secret").write_bytes(b"12345")
    good = Rendition(inside / "original.png", 5, "", "png", 1, 1, 8, None)

    def refused(original: Rendition) -> bool:
        (inside / "thumb.png").write_bytes(b"12345")
        with suppress(ImgesError):
            made = Renditions(original, replace(good, path=inside / "thumb.png"), None, 1)
            taken_out(made, Given(tmp_path / "received", 5), inside / "given", outside)
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
            await worker.call(time.sleep, 30, seconds=3)  # so long that it has begun
        assert await worker.call(os.getpid, seconds=20) != pid


async def test_a_worker_that_dies_idle_is_replaced(tmp_path: Path):
    async with one(tmp_path / "spool") as worker:
        pid = await worker.call(os.getpid, seconds=20)
        os.kill(pid, signal.SIGKILL)
        assert await worker.call(os.getpid, seconds=20) != pid


async def test_a_worker_that_has_not_begun_is_no_fault_of_the_picture(tmp_path: Path):
    async with one(tmp_path / "spool") as worker:
        pid = await worker.call(os.getpid, seconds=20)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Busy):
            await worker.call(os.getpid, seconds=0.3)
        assert await worker.call(os.getpid, seconds=20) != pid


async def test_what_a_job_raises_when_nobody_waits_any_more_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("imges.imaging.workers.KILLING", 0.01)
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    given_up = threading.Event()

    def job() -> None:
        given_up.wait(20)
        raise Died

    async with one(tmp_path / "spool") as worker:
        with pytest.raises(Busy):
            await worker.run(job, seconds=0.05)
        given_up.set()
        await worker.run(lambda: None, seconds=20)  # in the same thread, so behind it
        gc.collect()
    assert told == []


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


async def test_what_killed_three_workers_is_given_to_no_more():
    now = [0.0]
    quarantine = Quarantine(clock=lambda: now[0])
    for _ in range(DEATHS):
        with pytest.raises(Died):
            async with quarantine.over(lambda: "digest"):
                raise Died
    async with quarantine.over(lambda: "another"):
        pass
    reached = False
    with pytest.raises(ProcessingFailed) as refused:
        async with quarantine.over(lambda: "digest"):
            reached = True
    assert not reached
    assert (refused.value.status, refused.value.code) == (422, 320)
    now[0] += KEPT + 1
    async with quarantine.over(lambda: "digest"):
        reached = True
    assert reached


def test_the_received_file_becomes_the_original_only_where_it_is_an_uploads_and_whole(
    tmp_path: Path, inside: Path, outside: Path
):
    (inside / "thumb.png").write_bytes(b"12345")
    told = Rendition(inside / "given", 7, "digest", "png", 1, 1, 8, None)
    made = Renditions(told, replace(told, path=inside / "thumb.png", size=5), None, 1)
    received = Given(tmp_path / "received", 7, ours=True)
    with pytest.raises(ProcessingFailed):  # it is somebody else's file, and does not go into the storage
        taken_out(made, replace(received, ours=False), inside / "given", outside)
    with pytest.raises(ProcessingFailed):
        taken_out(made, replace(received, size=8), inside / "given", outside)
    original = taken_out(made, received, inside / "given", outside).original
    assert (original.path, original.size) == (received.path, 7)
