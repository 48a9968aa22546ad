"""The system calls that a caged worker may make: a filter that the kernel runs before each call (seccomp).

It is a list of what is allowed. A list of what is forbidden would let through what nobody thought of, and each new
kernel brings more: chmod and extended attributes, priorities and limits of other processes, inotify, System V IPC,
namespaces. Most of all, a worker starts no process: a child would outlive the worker and see the next pictures.

Numbers are those of <linux/seccomp.h>, <linux/bpf_common.h>, <linux/sched.h> and the tables of system calls.
"""

import ctypes
import errno
import os
import platform
import struct

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

MACHINES = ("x86_64", "aarch64")
AUDIT_ARCH = (0xC000003E, 0xC00000B7)
"""The kernel's numbers of these architectures (<linux/audit.h>)."""

ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # Memory
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "msync": (26, 227),
    "mincore": (27, 232),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    # Files, which Landlock guards where they are opened
    "read": (0, 63),
    "write": (1, 64),
    "open": (2, None),
    "close": (3, 57),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "access": (21, None),
    "dup": (32, 23),
    "dup2": (33, None),
    "sendfile": (40, 71),
    "fcntl": (72, 25),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "ftruncate": (77, 46),
    "getcwd": (79, 17),
    "rename": (82, None),
    "unlink": (87, None),
    "readlink": (89, None),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "getdents64": (217, 61),
    "fadvise64": (221, 223),
    "openat": (257, 56),
    "newfstatat": (262, 79),
    "unlinkat": (263, 35),
    "renameat": (264, 38),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "fallocate": (285, 47),
    "dup3": (292, 24),
    "renameat2": (316, 276),
    "copy_file_range": (326, 285),
    "statx": (332, 291),
    "close_range": (436, 436),
    "faccessat2": (439, 439),
    # Waiting, on what is open already
    "poll": (7, None),
    "select": (23, None),
    "pselect6": (270, 72),
    "ppoll": (271, 73),
    "eventfd2": (290, 19),
    "pipe2": (293, 59),
    # Threads and signals of its own
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "exit": (60, 93),
    "sigaltstack": (131, 132),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126),
    "arch_prctl": (158, None),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "set_tid_address": (218, 96),
    "restart_syscall": (219, 128),
    "exit_group": (231, 94),
    "set_robust_list": (273, 99),
    "getcpu": (309, 168),
    "rseq": (334, 293),
    # Time, chance, and what it is
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "uname": (63, 160),
    "gettimeofday": (96, 169),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "getuid": (102, 174),
    "getgid": (104, 176),
    "geteuid": (107, 175),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "time": (201, None),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "getrandom": (318, 278),
}
"""Calls that are allowed whatever their arguments are, with their numbers on x86-64 and ARM64 (`None`: it has none)."""

CLONE, CLONE3, PRCTL, PRLIMIT, TGKILL, IOCTL = (56, 220), (435, 435), (157, 167), (302, 261), (234, 131), (16, 29)
CLONE_THREAD = 0x00010000
NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, …NEWCGROUP, …NEWUTS, …NEWIPC, …NEWUSER, …NEWPID and …NEWNET together."""
PRCTL_OPTIONS = (15, 16, 21, 39, 0x53564D41)
"""PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_GET_NO_NEW_PRIVS, PR_SET_VMA: names of threads and of memory."""

LOAD, EQUAL, ABOVE, ANY_BIT, ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06
"""Instructions: load a word, jump if it is equal, if it is not less, if it has one of these bits; answer."""
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Where `struct seccomp_data` has them; the low half of each argument stands first, eight bytes apart."""
ALLOW = 0x7FFF0000


def _failing(error: int) -> int:
    return 0x00050000 | error


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """An instruction. A jump says how many lines to pass over."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _judged(number: int, body: list[bytes]) -> list[bytes]:
    """Lines that judge the call *number* by *body*, which ends with an answer. Other calls go on behind it."""
    return [_line(EQUAL, number, 0, len(body)), *body]


def _only(argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Lines that allow a call whose *argument*, counted from 0, is one of *values*; else it fails with EPERM."""
    tests = [_line(EQUAL, value, len(values) - at, 0) for at, value in enumerate(values)]
    return [_line(LOAD, ARGUMENTS + 8 * argument), *tests, *_end()]


def _end() -> list[bytes]:
    return [_line(ANSWER, _failing(errno.EPERM)), _line(ANSWER, ALLOW)]


def program(machine: str, pid: int) -> bytes:
    """The filter in BPF for the process *pid*: calls that are not allowed fail with EPERM.

    Calls of another architecture fail too, and so does the second numbering of x86-64 (x32, from 0x40000000 on): both
    have other numbers for the same calls.
    """
    column = MACHINES.index(machine)
    allowed = [number for numbers in ALLOWED.values() if (number := numbers[column]) is not None]
    refuse = _line(ANSWER, _failing(errno.EPERM))
    lines = [_line(LOAD, ARCHITECTURE), _line(EQUAL, AUDIT_ARCH[column], 1, 0), refuse]
    lines += [_line(LOAD, NUMBER), _line(ABOVE, 0x40000000, 0, 1), refuse]
    lines += _exceptions(column, pid)
    lines += [_line(EQUAL, number, len(allowed) - at, 0) for at, number in enumerate(allowed)]
    lines += _end()
    return b"".join(lines)


def _exceptions(column: int, pid: int) -> list[bytes]:
    """Lines that judge the calls whose arguments matter."""
    # A thread is a clone that shares everything. clone3 has its flags in memory, where a filter cannot look: the C
    # library takes clone if there is no clone3.
    tests = [_line(ANY_BIT, NEW_NAMESPACES, 1, 0), _line(ANY_BIT, CLONE_THREAD, 1, 0)]
    lines = _judged(CLONE[column], [_line(LOAD, ARGUMENTS), *tests, *_end()])
    lines += _judged(CLONE3[column], [_line(ANSWER, _failing(errno.ENOSYS))])
    lines += _judged(IOCTL[column], [_line(ANSWER, _failing(errno.ENOTTY))])  # Python asks whether a file is a terminal
    lines += _judged(PRCTL[column], _only(0, PRCTL_OPTIONS))
    lines += _judged(PRLIMIT[column], _only(0, (0,)))  # its own limits
    return lines + _judged(TGKILL[column], _only(0, (pid,)))  # abort


class _Program(ctypes.Structure):
    """`struct sock_fprog` of <linux/filter.h>."""

    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))


def restrict(libc: ctypes.CDLL) -> str:
    """Close the lock for this thread and those that it starts. Returns what holds, in words."""
    machine = platform.machine()
    if machine not in MACHINES:
        return f"no seccomp filter for {machine}"
    code = program(machine, os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_ = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter_), 0, 0):
        return "no seccomp filter: this kernel has none"
    return "seccomp"
