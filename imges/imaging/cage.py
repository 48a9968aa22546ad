"""What a worker process may still do once it decodes: read its libraries, write in its own folder, and nothing else.

Three locks of the kernel, none of which needs privileges: no_new_privs; Landlock for files, TCP, and signals and
abstract sockets to others; and a short seccomp filter for what Landlock does not know: all other sockets, starting
programs, looking into other processes. Where the kernel lacks one of them the cage is weaker, and all else goes on.

Numbers are those of <linux/landlock.h>, <linux/seccomp.h>, <linux/bpf_common.h> and the tables of system calls.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 38, 22
SECCOMP_MODE_FILTER = 2

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Landlock's system calls, the same on all architectures."""
VERSION = 1
PATH_BENEATH = 1

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 5, 1 << 8, 1 << 14
READING = READ_FILE | READ_DIR
WORKING = READING | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE
"""In the worker's own folder: plain files only; no links, folders, devices or sockets."""
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""By the ABI that brought them, how many rights over files there are; all that are not given are taken."""
TCP = 0b11
SCOPES = 0b11

SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
"""Where a system has its libraries."""

PACKAGES = ("site-packages", "dist-packages")
"""Names of the folders that packages are installed in."""

MACHINES = ("x86_64", "aarch64")
AUDIT_ARCH = (0xC000003E, 0xC00000B7)
FORBIDDEN = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "sendto": (44, 206),
    "bind": (49, 200),
    "listen": (50, 201),
    "socketpair": (53, 199),
    "execve": (59, 221),
    "kill": (62, 129),
    "ptrace": (101, 117),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount": (165, 40),
    "add_key": (248, 217),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "bpf": (321, 280),
    "execveat": (322, 281),
    "userfaultfd": (323, 282),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
}
"""Sockets, programs, other processes, and doors into the kernel: numbers on x86-64 and ARM64."""


def confine(folder: Path, also_read: Iterable[Path] = ()) -> str:
    """Lock this thread, and all that it will start, into *folder*; there is no way back. What holds, in words."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return "no cage: this is not Linux"
    holds = [_landlock(libc, folder, [*libraries(), *also_read]), _seccomp(libc)]
    return ", ".join(holds)


def libraries() -> list[Path]:
    """Where what is imported and loaded lies: Python's, ours, the decoders'.

    The one-file binary has its modules in itself, and the rest in a folder that it unpacks.
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
    """The version of Landlock that the kernel has; 0 for none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION))


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
    """Give *rights* below *path*; nothing where there is no such path."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= READ_FILE
        _checked(libc.syscall(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights, handle), 0))
    finally:
        os.close(handle)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# Seccomp


def _instruction(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, value)


def _program(machine: str) -> bytes:
    """BPF: what is forbidden fails with EPERM, so does the other numbering of system calls (x32); the rest goes on."""
    load, equal, above, answer = 0x20, 0x15, 0x35, 0x06
    column = MACHINES.index(machine)
    forbidden = [numbers[column] for numbers in FORBIDDEN.values()]
    lines = [
        _instruction(load, 0, 0, 4),  # the architecture
        _instruction(equal, 0, len(forbidden) + 3, AUDIT_ARCH[column]),
        _instruction(load, 0, 0, 0),  # the call's number
        _instruction(above, len(forbidden) + 1, 0, 0x40000000),
    ]
    lines += [_instruction(equal, len(forbidden) - at, 0, number) for at, number in enumerate(forbidden)]
    lines += [_instruction(answer, 0, 0, 0x7FFF0000), _instruction(answer, 0, 0, 0x00050000 | errno.EPERM)]
    return b"".join(lines)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))


def _seccomp(libc: ctypes.CDLL) -> str:
    machine = platform.machine()
    if machine not in MACHINES:
        return f"no seccomp filter for {machine}"
    code = _program(machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
        return "no seccomp filter: this kernel has none"
    return "seccomp"
