"""The cage: once a worker decodes, it may read its libraries, write in its own folder, and do nothing else.

Decoders are large C libraries, and a stranger chooses the bytes that they read. The cage assumes that a picture takes a
decoder over and runs code of its own. That code must not reach the catalog, other pictures, the network, or the server.

It is made of locks of the kernel, none of which needs privileges: no_new_privs, so that no program gives more rights;
no capabilities, in case the server runs as root; Landlock, for files, TCP, signals and abstract sockets; and a list of
the allowed system calls (`seccomp.py`) for what Landlock does not know: all other sockets, processes, rights and times
of files. If the kernel lacks one of them, the cage is weaker and the worker goes on; what holds is logged at the start.

Numbers are those of <linux/landlock.h>, <linux/prctl.h> and <linux/capability.h>.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType

from imges.imaging import seccomp

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
"""Operations of prctl(2)."""
CAPABILITIES = struct.pack("=Ii", 0x20080522, 0)
"""`struct __user_cap_header_struct` of this process, in its third version."""

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Landlock's system calls, the same on all architectures."""
VERSION = 1
"""The flag that makes CREATE_RULESET return the version of Landlock's interface (ABI)."""
PATH_BENEATH = 1
"""The kind of a rule that is about a path and all that lies below it."""

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 5, 1 << 8, 1 << 14
READING = READ_FILE | READ_DIR
WORKING = READING | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE
"""Rights in the worker's own folder: plain files only. A link could lead the server to a file of its own."""
READ_ONLY_SINCE = 3
"""The ABI from which on a worker cannot truncate a file that it may only read."""
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights over files there are, by the ABI that brought them. A worker loses all that it is not given."""
TCP = 0b11
"""Bind and connect, since ABI 4."""
SCOPES = 0b11
"""Abstract sockets and signals to processes outside, since ABI 6."""

SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
"""Folders of the system's libraries. Decoders load some of them only when they first need them."""

PACKAGES = ("site-packages", "dist-packages")
"""Names of the folders that Python packages are installed in."""


def confine(folder: Path, also_read: Iterable[Path] = ()) -> str:
    """Lock this thread, and all threads that it starts later, into *folder*. There is no way back.

    It may read its libraries, and what lies below *also_read*. Returns what holds, in words. Raises `OSError` if the
    kernel has a lock but refuses to close it: a worker must not run as if it were locked in.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return "no cage: this is not Linux"
    _drop_capabilities(libc)
    holds = [_landlock(libc, folder, [*libraries(), *also_read]), seccomp.restrict(libc)]
    return ", ".join(holds)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up all that root may do and others may not. Raises `OSError` if the kernel refuses."""
    for number in range(64):
        if libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0):  # at once without privileges, else behind the last
            break
    _checked(libc.capset(CAPABILITIES, bytes(24)))


def libraries() -> list[Path]:
    """Where the code lies that a worker imports and loads: Python's, ours, the decoders'.

    The one-file binary has its modules in itself, and the rest in a folder that it unpacks. The root folder is never
    one of them, even if Python is installed there: the worker could read everything.
    """
    import PIL

    import imges

    modules: list[ModuleType] = [imges, PIL]
    with suppress(ImportError):
        import cffi

        modules.append(cffi)
    found = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), *map(Path, SYSTEM)}
    found |= {Path(module.__file__).parent for module in modules if module.__file__}
    found |= {path for path in map(Path, sys.path) if path.name in PACKAGES}  # also those that a .pth file names
    if hasattr(sys, "frozen"):
        found.add(Path(sys.executable))
    found.discard(Path("/"))
    return sorted(found)


# Landlock


def landlock_abi() -> int:
    """The version of Landlock's interface that the kernel has; 0 if it has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION))


@cache
def keeps_read_only() -> bool:
    """Whether the kernel can keep a worker that may read a file from truncating it."""
    return landlock_abi() >= READ_ONLY_SINCE


def _landlock(libc: ctypes.CDLL, folder: Path, readable: list[Path]) -> str:
    abi = landlock_abi()
    if not abi:
        return "no Landlock: this kernel has none or keeps it off"
    rights = (1 << next(count for since, count in sorted(FILE_RIGHTS.items(), reverse=True) if abi >= since)) - 1
    attributes = struct.pack("=QQQ", rights, TCP, SCOPES)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    rules = _checked(libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    try:
        for path in readable:
            _allow(libc, rules, path, READING & rights)
        _allow(libc, rules, folder, WORKING & rights)
        _checked(libc.syscall(RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)
    return f"Landlock ABI {abi}" + ("" if abi >= 4 else " (files only)")


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    """Give *rights* below *path*; nothing if there is no such path."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= READ_FILE  # the kernel refuses rights over folders for a file
        _checked(libc.syscall(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights, handle), 0))
    finally:
        os.close(handle)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
