"""What runs inside a worker process. The server imports it only for the names of its functions."""

import ctypes
import errno
import mmap
import os
import resource
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from imges import cpus
from imges.errors import DiskReserve, ProcessingFailed, SettingsError, SpoolUnavailable
from imges.imaging import cage, cost
from imges.imaging import pipe as messages
from imges.imaging.types import Given, Header, Limits, Processor, Recipe, Renditions

NICENESS = 5
"""The server answers first."""
HEADROOM = 128 * 2**20
"""Bytes above the estimate: stacks of threads, and what allocators keep."""
M_ARENA_MAX = -8
"""glibc's number of that option."""

LARGEST_FILE = 512 * 2**20
"""Bytes that a worker can write into one file."""
WORTH_TRIMMING = 64 * 2**20
"""Bytes of an estimate from which on the heap is given back afterwards."""

_processor: Processor | None = None
_cage = "none"
_statm: int | None = None
"""An open /proc/self/statm: there is no way to it from inside the cage. An empty root has none at all."""
USED_AT_START = 256 * 2**20
"""Bytes that a worker is taken to use by itself where nothing tells: twice what it does."""


class OutOfMemory(ProcessingFailed):
    """Decoding took more memory than the header let us expect."""

    def __init__(self) -> None:
        super().__init__("the image needs more memory than its size tells")


def serve(pipe: Connection, begun: ctypes.c_uint64, wanted: str, folder: Path, cpus_given: frozenset[int]) -> None:
    """Answer calls, one after the other, on any of *cpus_given*, until the server is gone.

    *begun* is shared with it, and tells the number of the call that was begun last.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server, which ends us when all is done
    cpus.use(cpus_given)
    start(wanted, folder)
    with suppress(EOFError, OSError):
        while True:
            begun.value, function, arguments = pipe.recv()
            try:
                answer = messages.result(function(*arguments))
            except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
                answer = messages.failure(error)
            pipe.send_bytes(answer)


def start(wanted: str, folder: Path) -> None:
    """Prepare the process: it dies at once when told to, leaves no core, reaches *folder* alone, has *wanted*."""
    global _processor, _cage, _statm  # noqa: PLW0603 - the process's own
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # where memory runs out, we go and not the server
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    _use_one_arena()
    os.environ["TMPDIR"] = str(folder)
    with suppress(FileNotFoundError):
        _statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    _cage = cage.confine(folder)  # before anything starts threads: these are not locked in otherwise
    _processor = load(wanted)


def _use_one_arena() -> None:
    """All threads share one heap: else each keeps what it has freed to itself."""
    with suppress(OSError, AttributeError):  # other C libraries have no arenas
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def load(wanted: str) -> Processor | None:
    """The processor of that name; `auto` is libvips where it can be loaded; `None` where that is missing."""
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
    """Raises: SettingsError where the processor that was asked for cannot be loaded."""
    if _processor is None:
        raise SettingsError("images.processor is vips, but libvips cannot be loaded; set it to auto or pillow")
    return _processor


def about() -> tuple[str, str]:
    """The processor's name, and what its cage is made of. Raises: SettingsError."""
    return loaded().name, _cage


def take(file: Given, limits: Limits, recipe: Recipe, folder: Path, memory: int) -> tuple[Header, Renditions | None]:
    """`inspect`, and at once `render` where that takes no more than *memory* bytes and no time worth speaking of.

    Raises: TooLargeImage for what is beyond *limits*.
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
    """See `imges.imaging.render.render`; in *memory* bytes."""
    from imges.imaging import render

    with system_errors(), limited(memory):
        return render.render(loaded(), file, header, recipe, folder)


@contextmanager
def limited(memory: int) -> Generator[None]:
    """Let this process grow by *memory* bytes and some room: a header that lied must not take the machine's.

    It is what can be written that is limited. Address space as such is reserved in far larger pieces than are used,
    for each new thread too: where that is limited, sound pictures fail now and then.
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
    """Bytes that this process can write to by now."""
    return USED_AT_START if _statm is None else int(os.pread(_statm, 200, 0).split()[5]) * mmap.PAGESIZE


@contextmanager
def system_errors() -> Generator[None]:
    """Errors of the system in words of ours."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory from error
    except OSError as error:
        raise (DiskReserve if error.errno in {errno.ENOSPC, errno.EDQUOT} else SpoolUnavailable) from error
