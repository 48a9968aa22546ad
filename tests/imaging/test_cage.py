"""A worker in its cage can do its work and nothing else; a worker that dies costs one call."""

import asyncio
import gc
import io
import json
import multiprocessing
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from imges.errors import Busy, ImgesError, ProcessingFailed, QuotaUsedUp
from imges.imaging import cage
from imges.imaging import worker as module
from imges.imaging.executor import link, taken_out
from imges.imaging.handover import checked_header, copied, honest
from imges.imaging.pipe import Foreign, _Reader
from imges.imaging.quarantine import DEATHS, KEPT, Quarantine
from imges.imaging.types import Given, Header, Rendition, Renditions
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
    """The name of the error that the call raises in the worker, or its result as text."""
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
        assert own.parents[1] == tmp_path / "spool"
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
from imges.imaging import cage, seccomp

libc = ctypes.CDLL(None, use_errno=True)
column = seccomp.MACHINES.index(os.uname().machine)
judged = {numbers[column] for numbers in seccomp.ALLOWED.values()}
special = (seccomp.CLONE, seccomp.CLONE3, seccomp.PRCTL, seccomp.PRLIMIT, seccomp.TGKILL, seccomp.IOCTL)
judged |= {numbers[column] for numbers in special}
judged |= {335, 336} if column == 0 else set()  # uretprobe and uprobe end who calls them before any filter is asked
said = cage.confine(Path(sys.argv[1]))

def outcome(number, *arguments):
    ctypes.set_errno(0)
    failed = libc.syscall(number, *(arguments or (-1, 0, 0, 0, 0, 0))) < 0
    return errno.errorcode.get(ctypes.get_errno(), "done") if failed else "done"

calls = {number: outcome(number) for number in range(470) if number not in judged}
named = {
    "the other numbering": outcome(0x40000000 | 39) if column == 0 else "EPERM",
    "clone": outcome(seccomp.CLONE[column], 17, 0, 0, 0, 0),
    "clone3": outcome(435),
    "prlimit of another": outcome(seccomp.PRLIMIT[column], os.getppid(), 0, 0, 0),
    "tgkill of another": outcome(seccomp.TGKILL[column], os.getppid(), os.getppid(), 0),
    "ioctl": outcome(seccomp.IOCTL[column], 0, 0x5412, 0),
}
GET_SECCOMP, GET_NO_NEW_PRIVS = 21, 39
print(json.dumps([said, calls, named, libc.prctl(GET_NO_NEW_PRIVS, 0, 0, 0, 0), libc.prctl(GET_SECCOMP)]))
"""


def test_no_call_gets_into_the_kernel_that_is_not_in_the_list(tmp_path: Path):
    told = subprocess.run([sys.executable, "-c", INSIDE, tmp_path], capture_output=True, text=True, check=True)
    said, calls, named, no_new_privileges, filtering = json.loads(told.stdout)
    assert {number: became for number, became in calls.items() if became != "EPERM"} == {}
    assert named == {
        "the other numbering": "EPERM",
        "clone": "EPERM",
        "clone3": "ENOSYS",
        "prlimit of another": "EPERM",
        "tgkill of another": "EPERM",
        "ioctl": "ENOTTY",
    }
    assert (no_new_privileges, filtering) == (1, 2)
    assert "Landlock" in said
    assert "seccomp" in said


async def test_a_decoder_that_was_taken_over_finds_no_way_out(tmp_path: Path):
    outside = tmp_path / "imges.db"
    outside.write_text("secret")
    async with one(tmp_path / "spool") as worker:
        assert await worker.call(module.escapes, os.getpid(), outside, seconds=30) == ()


def test_the_ways_out_are_open_where_there_is_no_cage(tmp_path: Path):
    """A way that fails here too fails for another reason than the cage."""
    outside = tmp_path / "imges.db"
    outside.write_text("secret")
    told = subprocess.run([sys.executable, "-c", FREE, outside], capture_output=True, text=True, check=True)
    open_ways = set(json.loads(told.stdout.splitlines()[-1]))
    assert open_ways >= {
        "start a process",
        "run a program",
        "send a signal to the server",
        "change the limits of the server",
        "change the priority of the server",
        "change the CPUs of the server",
        "read a file of the server",
        "write a file of the server",
        "change the mode of a file of the server",
        "change the times of a file of the server",
        "watch files of the server",
        "open a socket of AF_INET",
        "open a socket of AF_UNIX",
        "share memory",
        "send messages",
    }


FREE = """
import json, os, sys
from pathlib import Path
from imges.imaging import escapes
print(json.dumps(escapes.possible(os.getppid(), Path(sys.argv[1]))))
"""


async def test_what_a_worker_still_writes_does_not_reach_what_left_the_cage(tmp_path: Path):
    """A file is copied, and what was handed in can only be read."""
    (tmp_path / "outside").mkdir()
    received = tmp_path / "received"
    received.write_bytes(b"received")
    async with one(tmp_path / "spool") as worker:
        work = await worker.folder()
        for name in ("original.png", "thumb.png"):
            await worker.call(Path.write_bytes, work / name, b"12345", seconds=20)
        made = Rendition(work / "original.png", 5, "a lie", "png", 1, 1, 8, None)
        renditions = Renditions(made, replace(made, path=work / "thumb.png"), None, 1)
        taken = taken_out(renditions, Given(received, 8), worker, tmp_path / "outside")
        assert await worker.call(Path.write_bytes, work / "original.png", b"54321", seconds=20) == 5
        assert taken.original.path.read_bytes() == b"12345"
        assert taken.original.md5 == "827ccb0eea8a706c4c34a16891f84e7b"
        link(received, worker.given)
        assert worker.given.samefile(received)
        assert await refusal(worker, Path.read_bytes, worker.given) == "b'received'"
        for refused in (Path.write_bytes, Path.unlink, os.truncate):
            arguments = (b"x",) if refused is Path.write_bytes else (0,) if refused is os.truncate else ()
            assert await refusal(worker, refused, worker.given, *arguments) == "PermissionError"
    assert received.read_bytes() == b"received"


async def test_each_process_has_folders_that_no_earlier_one_reaches(tmp_path: Path):
    async with one(tmp_path / "spool") as worker:
        first = await worker.folder()
        os.kill(await worker.call(os.getpid, seconds=20), signal.SIGKILL)
        assert await worker.call(os.getpid, seconds=20)
        second = await worker.folder()
        assert first != second
        assert not first.exists()


async def test_a_worker_that_fills_the_disk_with_many_files_is_ended(tmp_path: Path):
    workers = Workers("pillow", 1, tmp_path / "spool", most=2**20)
    try:
        async with workers.one() as worker:
            work = await worker.folder()
            with pytest.raises(ProcessingFailed):  # one file is limited by the kernel
                await worker.call(Path.write_bytes, work / "file", bytes(2**20 + 1), seconds=20)
            for number in range(4):
                (work / str(number)).write_bytes(bytes(2**20))
            with pytest.raises(Died):
                await worker.call(time.sleep, 20, seconds=30)
    finally:
        await workers.close()


async def test_a_child_that_keeps_the_pipe_open_does_not_keep_the_server_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Where the kernel has no filter, a decoder that was taken over can start processes."""
    async with one(tmp_path / "spool") as worker:
        await worker.folder()
        process, answers = worker._process, worker._pipe
        assert process is not None
        assert answers is not None
        theirs, ours = multiprocessing.Pipe()  # its other end stays open, and nothing comes
        monkeypatch.setattr(worker, "_pipe", theirs)
        os.kill(process.pid or 0, signal.SIGKILL)
        async with asyncio.timeout(20):
            assert await worker.call(os.getpid, seconds=20) != process.pid
        ours.close()
        answers.close()


LIES: list[tuple[str, Any]] = [
    ("format", "exe"),
    ("width", "1"),
    ("height", 0),
    ("bits", None),
    ("frames", -1),
    ("path", "original.png"),
    ("size", "5"),
]


@pytest.mark.parametrize(("name", "value"), LIES)
def test_what_a_worker_reports_is_checked(inside: Path, outside: Path, name: str, value: Any):
    (inside / "original.png").write_bytes(b"12345")
    good = Rendition(inside / "original.png", 5, "", "png", 1, 1, 8, None)
    with pytest.raises(ProcessingFailed), honest():
        copied(replace(good, **{name: value}), inside, outside)


@pytest.mark.parametrize(
    ("name", "value"), [("format", "exe"), ("width", "9"), ("frames", 0), ("progressive", "yes"), ("channels", 7)]
)
def test_a_header_that_a_worker_reports_is_checked(name: str, value: Any):
    good = Header("png", 1, 1)
    assert checked_header(good) == good
    with pytest.raises(ProcessingFailed):
        checked_header(replace(good, **{name: value}))


WITHOUT_SECCOMP = """
import ctypes, socket, sys
from pathlib import Path
from imges.imaging import cage

cage.seccomp.restrict = lambda libc: "none"
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


def test_a_picture_gets_no_more_memory_than_its_header_lets_expect():
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
    """The folder that a worker reaches."""
    (tmp_path / "cage").mkdir()
    return tmp_path / "cage"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """The folder that the worker's files are moved to."""
    (tmp_path / "outside").mkdir()
    return tmp_path / "outside"


@dataclass
class Folders:
    """The paths of a worker, as `taken_out` needs them."""

    work: Path

    @property
    def given(self) -> Path:
        return self.work / "given"


def test_only_plain_files_of_the_reported_size_leave_the_cage(tmp_path: Path, inside: Path, outside: Path):
    (tmp_path / "secret").write_bytes(b"12345")
    good = Rendition(inside / "original.png", 5, "", "png", 1, 1, 8, None)

    def refused(original: Rendition) -> bool:
        (inside / "thumb.png").write_bytes(b"12345")
        for file in outside.iterdir():
            file.unlink()
        with suppress(ImgesError):
            made = Renditions(original, replace(good, path=inside / "thumb.png"), None, 1)
            taken_out(made, Given(tmp_path / "received", 5), cast("Any", Folders(inside)), outside)
            return False
        return True

    (inside / "original.png").write_bytes(b"12345")
    assert not refused(good)
    (inside / "original.png").unlink()
    assert refused(good)  # the file is gone
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
            await worker.call(time.sleep, 30, seconds=3)  # long enough for the call to begin
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


async def test_the_error_of_a_job_that_no_caller_waits_for_is_not_logged(
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
        await worker.run(lambda: None, seconds=20)  # it runs in the same thread, behind the job
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


async def test_no_worker_gets_a_file_that_has_killed_three():
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


def test_a_received_file_becomes_the_original_only_if_it_is_ours_and_whole(tmp_path: Path, inside: Path, outside: Path):
    (inside / "thumb.png").write_bytes(b"12345")
    told = Rendition(inside / "given", 7, "digest", "png", 1, 1, 8, None)
    made = Renditions(told, replace(told, path=inside / "thumb.png", size=5), None, 1)
    (tmp_path / "received").write_bytes(b"1234567")
    received, folders = Given(tmp_path / "received", 7, ours=True), cast("Any", Folders(inside))
    with pytest.raises(ProcessingFailed):  # the file belongs to somebody else, and must not be moved into the storage
        taken_out(made, replace(received, ours=False), folders, outside)
    with pytest.raises(ProcessingFailed):
        taken_out(made, replace(received, size=8), folders, outside)
    original = taken_out(made, received, folders, outside).original
    assert (original.path, original.size) == (received.path, 7)
