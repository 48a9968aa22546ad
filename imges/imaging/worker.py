"""What runs inside a worker process. The server imports it for the names of its functions alone."""

import ctypes
import errno
import mmap
import os
import resource
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from imges import cpus
from imges.errors import DiskReserve, ProcessingFailed, SettingsError, SpoolUnavailable, TooLargeImage
from imges.imaging import cage, cost
from imges.imaging import pipe as messages
from imges.imaging.types import Given, Header, Limits, Processor, Recipe, Renditions

NICENESS = 5
"""By how much a worker steps behind the server, which must go on to answer."""
HEADROOM = 128 * 2**20
"""Bytes that a worker gets above the estimate: stacks of threads, and what allocators keep."""
M_ARENA_MAX = -8
"""glibc's number of this option (<malloc.h>)."""

WORTH_TRIMMING = 64 * 2**20
"""Bytes of an estimate from which on the worker returns free memory to the system afterwards."""

_processor: Processor | None = None
_cage = "none"
_statm: int | None = None
"""An open /proc/self/statm, which cannot be opened inside the cage; `None` if the system has none."""
_null = -1
"""An open /dev/null, which cannot be opened inside the cage."""
USED_AT_START = 256 * 2**20
"""Bytes that a worker is assumed to use by itself if there is no statm: twice what it does."""


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders that a process reaches: it reads what is in *given*, and writes files of *most* bytes in *work*."""

    given: Path
    work: Path
    most: int


class OutOfMemory(ProcessingFailed):
    """Raised if decoding takes more memory than the header let us expect."""

    def __init__(self) -> None:
        super().__init__("the image needs more memory than its size tells")


def serve(pipe: Connection, begun: ctypes.c_uint64, wanted: str, folders: Folders, cpus_given: frozenset[int]) -> None:
    """Answer calls, one after the other, on any of *cpus_given*, until the server is gone.

    *begun* is shared with the server: it is the number of the call that was begun last.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server, which ends its workers when all is done
    cpus.use(cpus_given)
    start(wanted, folders)
    close_files({pipe.fileno(), *([] if _statm is None else [_statm])})
    answer_calls(pipe, begun)
    os._exit(0)  # what multiprocessing would do now is about files that are closed


def answer_calls(pipe: Connection, begun: ctypes.c_uint64) -> None:
    """Answer calls until the server is gone; see `serve`."""
    with suppress(EOFError, OSError):
        while True:
            begun.value, function, arguments = pipe.recv()
            try:
                answer = messages.result(function(*arguments))
            except BaseException as error:  # noqa: BLE001 - the server raises it where it made the call
                answer = messages.failure(error)
            pipe.send_bytes(answer)


def close_files(kept: set[int]) -> None:
    """Close all files but *kept*: those that came from the server are its own, such as its log.

    Standard input, output and error lead nowhere afterwards.
    """
    for standard in range(3):
        os.dup2(_null, standard)
    before = 3
    for number in sorted(kept):
        os.closerange(before, number)
        before = number + 1
    os.closerange(before, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def start(wanted: str, folders: Folders) -> None:
    """Prepare the process: it ends at once on SIGTERM, leaves no core, reaches *folders* alone, and loads *wanted*.

    A core file would hold a stranger's picture.
    """
    global _processor, _cage, _statm, _null  # noqa: PLW0603 - the process's own
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, the kernel ends a worker first
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (folders.most, folders.most))
    _use_one_arena()
    os.environ["TMPDIR"] = str(folders.work)
    with suppress(FileNotFoundError):
        _statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    _null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    # Before libraries start threads, which would not be locked in
    _cage = cage.confine(folders.work, [folders.given])
    _processor = load(wanted)


def _use_one_arena() -> None:
    """Let all threads share one heap: else each thread keeps what it has freed to itself."""
    with suppress(OSError, AttributeError):  # other C libraries have no arenas
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def load(wanted: str) -> Processor | None:
    """The processor of that name; `auto` is libvips if it can be loaded, else Pillow. `None` if `vips` is missing."""
    if wanted != "pillow":
        try:
            from imges.imaging.vips import VipsProcessor

            return VipsProcessor()
        except (ImportError, OSError):
            if wanted == "vips":
                return None
    from imges.imaging.pillow import PillowProcessor

    return PillowProcessor()


def loaded() -> Processor:
    """The worker's processor. Raises `SettingsError` if the one that the settings ask for cannot be loaded."""
    if _processor is None:
        raise SettingsError("images.processor is vips, but libvips cannot be loaded; set it to auto or pillow")
    return _processor


def about() -> tuple[str, str]:
    """The processor's name, and what the cage is made of. Raises as `loaded` does."""
    return loaded().name, _cage


def escapes(server: int, outside: Path) -> tuple[str, ...]:
    """See `imges.imaging.escapes.possible`."""
    from imges.imaging import escapes

    return escapes.possible(server, outside)


def take(file: Given, limits: Limits, recipe: Recipe, folder: Path, memory: int) -> tuple[Header, Renditions | None]:
    """`inspect`; and at once `render` if that takes at most *memory* bytes and no animation is made.

    Raises `TooLargeImage` if the header is beyond *limits*, and what both raise.
    """
    found = inspect(file.path, limits.formats)
    limits.check(found)
    needed = cost.memory(loaded().name, found, recipe)
    if needed > memory or cost.is_animated(found, recipe):
        return found, None
    return found, render(file, found, recipe, folder, needed)


def inspect(file: Path, allowed: frozenset[str]) -> Header:
    """See `imges.imaging.header.inspect`."""
    from imges.imaging import header

    with system_errors():
        return header.inspect(file, allowed)


def render(file: Given, header: Header, recipe: Recipe, folder: Path, memory: int) -> Renditions:
    """See `imges.imaging.render.render`. Raises `OutOfMemory` if it takes more than *memory* bytes."""
    from imges.imaging import render

    with system_errors(), limited(memory):
        return render.render(loaded(), file, header, recipe, folder)


@contextmanager
def limited(memory: int) -> Generator[None]:
    """Let this process grow by *memory* bytes and `HEADROOM`: a header that lies must not take the machine's memory.

    The limit is on memory that can be written (RLIMIT_DATA), not on address space. Libraries and each new thread
    reserve far more address space than they use, so a limit on it would make sound pictures fail now and then.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_used() + memory + HEADROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        if memory >= WORTH_TRIMMING:
            with suppress(AttributeError):
                ctypes.CDLL(None).malloc_trim(0)


def _used() -> int:
    """Bytes that this process can write to by now: the sixth number of statm, in pages (proc(5))."""
    return USED_AT_START if _statm is None else int(os.pread(_statm, 200, 0).split()[5]) * mmap.PAGESIZE


@contextmanager
def system_errors() -> Generator[None]:
    """Raises errors of ours for errors of the system."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise TooLargeImage("the image becomes too large when it is converted; send it smaller") from error
        raise (DiskReserve if error.errno in {errno.ENOSPC, errno.EDQUOT} else SpoolUnavailable) from error
