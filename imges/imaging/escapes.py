"""Ways out of the cage, tried from inside: what a decoder could do if a picture had taken it over.

`imges check` and the tests run this in a worker. Each way is really tried, so each does no harm if it succeeds.
"""

import ctypes
import errno
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

CLONE_NEWUSER = 0x10000000
REFUSED = {None, errno.EPERM, errno.EACCES, errno.ENOSYS}
"""How the cage refuses. Any other error comes from behind it: the kernel has looked at the call."""


def possible(server: int, outside: Path) -> tuple[str, ...]:
    """Returns the names of the ways that are open. *server* is the server's process, *outside* a file of its own."""
    return tuple(name for name, attempt in _ways(server, outside) if _succeeds(attempt))


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError as error:
        return error.errno not in REFUSED
    return True


def _ways(server: int, outside: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    yield from _processes(server)
    yield from _files(outside)
    yield from _kernel()


def _processes(server: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Processes of its own, and what can be done to the server's."""
    yield "start a process", _fork
    yield "run a program", lambda: _checked("execve", 0, 0, 0)
    yield "send a signal to the server", lambda: os.kill(server, 0)
    yield "change the limits of the server", lambda: resource.prlimit(server, resource.RLIMIT_CORE)
    yield (
        "change the priority of the server",
        lambda: os.setpriority(os.PRIO_PROCESS, server, os.getpriority(os.PRIO_PROCESS, server)),
    )
    yield "change the CPUs of the server", lambda: os.sched_setaffinity(server, os.sched_getaffinity(server))
    yield "look into the server", lambda: Path(f"/proc/{server}/environ").read_bytes()


def _files(outside: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """The server's file *outside*, and files that it has open."""
    yield "read a file of the server", outside.read_bytes
    yield "write a file of the server", lambda: outside.open("ab").close()
    yield "change the mode of a file of the server", lambda: outside.chmod(0o600)
    yield "change the times of a file of the server", lambda: os.utime(outside, (0, 0))
    yield "give a file of the server attributes", lambda: os.setxattr(outside, "user.imges", b"x")
    yield "watch files of the server", lambda: _checked("inotify_init1", 0)
    yield "read or write what the server has open", _inherited


def _kernel() -> Iterator[tuple[str, Callable[[], object]]]:
    """Sockets, memory that outlives it, and namespaces."""
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
        yield f"open a socket of {socket.AddressFamily(family).name}", partial(_socket, family)
    yield "share memory", lambda: _checked("shmget", 0, 4096, 0o1600)
    yield "send messages", lambda: _checked("msgget", 0, 0o1600)
    yield "make a namespace", lambda: _checked("unshare", CLONE_NEWUSER)
    yield "have capabilities", _capabilities


def _socket(family: int) -> None:
    socket.socket(family).close()


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _checked(name: str, *arguments: int) -> None:
    """Calls the C library's function *name*. Raises `OSError` if it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc[name](*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    if name == "inotify_init1":
        os.close(result)


def _inherited() -> None:
    """Raises `OSError` if /dev/null, /proc/self/statm and the worker's pipe are the only open files."""
    null = os.fstat(0)
    strange: list[int] = []
    for number in range(256):
        with suppress(OSError):
            found = os.fstat(number)
            if (found.st_dev, found.st_ino) != (null.st_dev, null.st_ino):
                strange.append(number)
    if len(strange) <= OWN_FILES:
        raise OSError("nothing else is open")


OWN_FILES = 2
"""The worker's pipe and /proc/self/statm."""


def _capabilities() -> None:
    """Raises `OSError` if the process has no capability (the header is of the third version of capget(2))."""
    data = ctypes.create_string_buffer(24)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    if ctypes.CDLL(None).capget(header, data) or not any(data.raw):
        raise OSError("none")
