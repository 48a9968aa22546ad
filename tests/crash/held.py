"""Holds every system call of a program that touches files below a folder, until the test decides about it.

The kernel reports each call before it is made (seccomp's user notification) and keeps the thread waiting. The call then
goes on, fails with an error of our choice, or is never made, because the process is killed. strace's injection counts
the calls of each thread by itself. This module counts the calls of all threads and children in the order in which they
come, and the program may live on for the next one. `tests/crash/holding.py` starts the program.
"""

import array
import ctypes
import errno
import fcntl
import os
import platform
import re
import select
import signal
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

NONE = 0xFFFF_FFFF
CALLS = {
    "open": (2, NONE, 0),
    "openat": (257, 56, 1),
    "read": (0, 63, None),
    "pread64": (17, 67, None),
    "write": (1, 64, None),
    "writev": (20, 66, None),
    "pwrite64": (18, 68, None),
    "fsync": (74, 82, None),
    "fdatasync": (75, 83, None),
    "ftruncate": (77, 46, None),
    "fallocate": (285, 47, None),
    "copy_file_range": (326, 285, None),
    "sendfile": (40, 71, None),
    "fchmod": (91, 52, None),
    "close": (3, 57, None),
    "link": (86, NONE, 0),
    "linkat": (265, 37, 3),
    "rename": (82, NONE, 1),
    "renameat": (264, 38, 3),
    "renameat2": (316, 276, 3),
    "unlink": (87, NONE, 0),
    "unlinkat": (263, 35, 1),
    "mkdir": (83, NONE, 0),
    "mkdirat": (258, 34, 1),
    "rmdir": (84, NONE, 0),
    "utimensat": (280, 88, None),
    "getdents64": (217, 61, None),
    "flock": (73, 32, None),
    "fcntl": (72, 25, None),
    "sendto": (44, 206, None),
}
"""Numbers on x86-64 and ARM64, and which argument is the path, if it is not a descriptor."""

AT_ARGUMENT = {"openat", "unlinkat", "mkdirat", "linkat", "renameat", "renameat2"}
"""The argument before the path is the folder that contains it."""
LOCKING = {6, 7, 37, 38}
"""Commands of `fcntl` that lock a part of a file: F_SETLK, F_SETLKW, and those of open files."""
NEVER_FAILS = {"fcntl", "flock", "sendto"}
"""Calls that never fail: locks fail on no local disk, least of all their release; answers do not touch a disk."""

SYNCS = {"fsync", "fdatasync"}
CHANGING = frozenset(
    {"write", "writev", "pwrite64", "ftruncate", "fallocate", "copy_file_range", "sendfile", "fchmod"}
    | {
        "utimensat",
        "link",
        "linkat",
        "rename",
        "renameat",
        "renameat2",
        "unlink",
        "unlinkat",
        "mkdir",
        "mkdirat",
        "rmdir",
    }
    | SYNCS
    | {"sendto"}
)
"""Calls that change the disk or reach the client, and those that open files for writing."""

RECEIVE, SEND = 0xC050_2100, 0xC018_2101
CONTINUE = 1
NOTIFICATION = struct.Struct("=QIIiIQ6Q")
ANSWER = struct.Struct("=Qqii")

Fate = Literal["KILL", "EIO", "ENOSPC", "DEAD"]
"""DEAD: nothing that changes the disk succeeds any more, until the process is killed after its answer."""
FATES: tuple[Fate, ...] = ("KILL", "EIO", "ENOSPC", "DEAD")


@dataclass(frozen=True)
class Call:
    """A held call: its *name*, its file (below the folder), and whether the server made it."""

    name: str
    path: str
    by_server: bool
    writes: bool = False
    """Returns whether the call opens the file for writing."""

    @property
    def changes(self) -> bool:
        return self.writes or self.name in CHANGING

    def __str__(self) -> str:
        known = re.sub(r"(upload-|worker-)\w+|(?<=\.staging/)[0-9a-f]{32}|[0-9a-f]{16,}", r"\1*", self.path)
        return f"{self.name} {known}" + ("" if self.by_server else " (by a worker)")


def goes_on(_: Call) -> int:
    return 0


@dataclass
class Watch:
    """What happens to the calls of one window: nothing, or the *fate* at the *number*-th call.

    *failing* returns the error with which a call ends, or 0.
    """

    number: int = 0
    fate: Fate = "KILL"
    failing: Callable[[Call], int] = goes_on
    calls: list[Call] = field(default_factory=list[Call])

    @property
    def struck(self) -> Call | None:
        """The call that met its fate.

        Locks never fail. A kill after a call that changed nothing would repeat the kill before it, so it is left out.
        """
        if not 0 < self.number <= len(self.calls):
            return None
        call = self.calls[self.number - 1]
        if self.fate == "KILL":
            return call if self.number == 1 or self.calls[self.number - 2].changes else None
        if self.fate == "DEAD" and not call.changes:
            return None
        return None if call.name in NEVER_FAILS else call

    def outcome(self, call: Call) -> int:
        """Returns the error with which *call*, the last of `calls`, ends; 0: it goes on."""
        if self.fate == "DEAD" and self.struck:
            return errno.EIO if call.changes and call.name not in NEVER_FAILS else 0
        if len(self.calls) != self.number or not self.struck:
            return self.failing(call)
        return errno.EIO if self.fate == "KILL" else getattr(errno, self.fate)  # a killed process does not see it


class Holder:
    """Decides about the calls of one program and its children, on files of the folder *inside*."""

    def __init__(self, inside: Path) -> None:
        self._inside = f"{inside.resolve()}/"
        self._watch: Watch | None = None
        self._lock = threading.Lock()
        self.ours, self.theirs = socket.socketpair()
        self._pid = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self, pid: int) -> None:
        """Starts deciding: the program runs as *pid* and has `theirs`."""
        self._pid = pid
        self.theirs.close()
        self._thread.start()

    def watch(self, watch: Watch) -> None:
        with self._lock:
            self._watch = watch

    def leave(self) -> None:
        """Ends the window: all calls go on."""
        with self._lock:
            self._watch = None

    # In the thread

    def _run(self) -> None:
        listener = _received(self.ours)
        self.ours.close()
        if listener is None:
            return
        try:
            self._serve(listener)
        finally:
            os.close(listener)

    def _serve(self, listener: int) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while True:
            events = poll.poll()[0][1]
            if events & select.POLLIN:
                buffer = bytearray(NOTIFICATION.size)
                try:
                    fcntl.ioctl(listener, RECEIVE, buffer)
                except OSError as error:
                    if error.errno in {errno.ENOENT, errno.EINTR}:  # the caller is gone
                        continue
                    raise
                identity, thread, _, number, _, _, *arguments = NOTIFICATION.unpack(buffer)
                self._answer(listener, identity, self._decide(thread, number, arguments))
            elif events & (select.POLLHUP | select.POLLERR):
                return

    def _answer(self, listener: int, identity: int, error: int) -> None:
        answer = bytearray(ANSWER.pack(identity, 0, -error, 0 if error else CONTINUE))
        with suppress(FileNotFoundError):  # the caller was killed meanwhile
            fcntl.ioctl(listener, SEND, answer)

    def _decide(self, thread: int, number: int, arguments: list[int]) -> int:
        """Returns the error number with which the call ends; 0: it goes on."""
        with self._lock:
            watch = self._watch
            if watch is None:
                return 0
            call = self._call(thread, number, arguments)
            if call is None:
                return 0
            watch.calls.append(call)
            error = watch.outcome(call)
            if error and watch.fate == "KILL" and watch.struck:
                with suppress(ProcessLookupError):
                    os.kill(self._pid if call.by_server else _process_of(thread), signal.SIGKILL)
            return error

    def _call(self, thread: int, number: int, arguments: list[int]) -> Call | None:
        """Returns the call, if it is about a file of ours or answers a client."""
        name, at = NAMES[number]
        by_server = os.path.exists(f"/proc/{self._pid}/task/{thread}")  # noqa: PTH110 - thousands of them
        try:
            if name == "sendto":
                return Call(name, "the client", by_server) if by_server and _is_inet(thread, arguments[0]) else None
            if name == "fcntl" and arguments[1] not in LOCKING:
                return None
            path = _path(thread, name, at, arguments)
        except OSError:  # the process is gone, or passed nonsense
            return None
        if not f"{path}/".startswith(self._inside):
            return None
        flags = arguments[2] if name == "openat" else arguments[1] if name == "open" else 0
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        return Call(name, path[len(self._inside) :], by_server, writes)


def _path(thread: int, name: str, at: int | None, arguments: list[int]) -> str:
    if at is None:
        return str(Path(f"/proc/{thread}/fd/{ctypes.c_int(arguments[0]).value}").readlink())
    path = _text(thread, arguments[at])
    if path.startswith("/"):
        return path
    folder = ctypes.c_int(arguments[at - 1]).value if name in AT_ARGUMENT else -100
    home = Path(f"/proc/{thread}/cwd" if folder == -100 else f"/proc/{thread}/fd/{folder}").readlink()
    return os.path.normpath(f"{home}/{path}")


def _text(thread: int, address: int) -> str:
    with open(f"/proc/{thread}/mem", "rb", 0) as memory:  # noqa: PTH123
        memory.seek(address)
        found = memory.read(min(4096, 0x1000 - address % 0x1000))
        if b"\0" not in found:
            found += memory.read(4096)
    return os.fsdecode(found.partition(b"\0")[0])


def _is_inet(thread: int, descriptor: int) -> bool:
    """Returns whether it is the connection of a client: a socket that is not one of this machine's own."""
    target = str(Path(f"/proc/{thread}/fd/{descriptor}").readlink())
    inode = target.removeprefix("socket:[").removesuffix("]")
    return any(inode == line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:])


def _process_of(thread: int) -> int:
    status = Path(f"/proc/{thread}/status").read_text()
    return int(status.partition("Tgid:")[2].split()[0])


def _received(connection: socket.socket) -> int | None:
    """Returns the descriptor that was sent; `None` if the program has ended."""
    space = socket.CMSG_SPACE(4)
    _, ancillary, _, _ = connection.recvmsg(1, space)
    for _, kind, data in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors = array.array("i")
            descriptors.frombytes(data[:4])
            return descriptors[0]
    return None


def numbers() -> dict[int, tuple[str, int | None]]:
    """Returns name and path's argument by the call's number on this machine."""
    of_machine = {
        x86_64 if platform.machine() == "x86_64" else arm64: (name, at) for name, (x86_64, arm64, at) in CALLS.items()
    }
    return {number: named for number, named in of_machine.items() if number != NONE}


NAMES = numbers()
