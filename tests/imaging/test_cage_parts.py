"""The cage on other kernels: its requests to Landlock and seccomp, and what it reports if they are missing."""

import ctypes
import errno
import os
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from imges.imaging import cage, seccomp

CREATE, ADD, RESTRICT = 444, 445, 446


@dataclass
class Libc:
    """A kernel with that *abi* of Landlock. It remembers what it was asked; the calls in *fails* fail."""

    abi: int = 6
    fails: frozenset[int] = frozenset()
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    no_new_privileges: int = 0
    seccomp: int = 0

    def capset(self, *arguments: Any) -> int:
        self.asked.append(("capset", *arguments))
        return 0

    def prctl(self, *arguments: Any) -> int:
        if arguments[0] == 24:  # PR_CAPBSET_DROP, by a process without privileges
            return -1
        self.asked.append(("prctl", *arguments))
        return self.no_new_privileges if arguments[0] == 38 else self.seccomp

    def syscall(self, number: int, *arguments: Any) -> int:
        if number == CREATE and arguments[0] is None:
            assert (arguments[1].value, arguments[2]) == (0, 1)
            return self.abi
        plain = tuple(each.value if isinstance(each, ctypes.c_size_t) else each for each in arguments)
        self.asked.append((number, *plain))
        if number in self.fails:
            ctypes.set_errno(errno.EINVAL)
            return -1
        return os.open("/dev/null", os.O_RDONLY) if number == CREATE else 0


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Libc:
    libc = Libc()
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: libc)
    monkeypatch.setattr(cage, "libraries", list)
    return libc


@pytest.mark.parametrize(
    ("abi", "rights", "size", "said"),
    [
        (1, 13, 8, "Landlock ABI 1 (files only)"),
        (2, 14, 8, "Landlock ABI 2 (files only)"),
        (3, 15, 8, "Landlock ABI 3 (files only)"),
        (4, 15, 16, "Landlock ABI 4"),
        (5, 16, 16, "Landlock ABI 5"),
        (6, 16, 24, "Landlock ABI 6"),
        (9, 16, 24, "Landlock ABI 9"),
    ],
)
def test_every_right_is_taken_that_the_kernel_knows(
    kernel: Libc, tmp_path: Path, abi: int, rights: int, size: int, said: str
):
    kernel.abi = abi
    assert cage.confine(tmp_path) == f"{said}, seccomp"
    (created,) = [call for call in kernel.asked if call[0] == CREATE]
    assert created == (CREATE, struct.pack("=QQQ", 2**rights - 1, 3, 3)[:size], size, 0)
    assert [call[0] for call in kernel.asked] == ["prctl", "capset", CREATE, ADD, RESTRICT, "prctl"]
    assert kernel.asked[0] == ("prctl", 38, 1, 0, 0, 0)
    assert kernel.asked[-1][1:3] == (22, 2)
    assert kernel.asked[4][2] == 0
    assert kernel.asked[1][1:] == (struct.pack("=Ii", 0x20080522, 0), bytes(24))


def test_the_folder_may_be_written_and_the_rest_read(kernel: Libc, tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    cage.confine(tmp_path, [Path("/usr"), file, tmp_path / "none"])
    added = [call for call in kernel.asked if call[0] == ADD]
    assert [struct.unpack("=Qi", call[3])[0] for call in added] == [
        0b1100,
        0b100,
        0b1100 | 1 << 1 | 1 << 5 | 1 << 8 | 1 << 14,
    ]
    assert {call[2] for call in added} == {1}
    assert {call[4] for call in added} == {0}


def test_rights_that_the_kernel_does_not_know_are_not_given(kernel: Libc, tmp_path: Path):
    kernel.abi = 2
    cage.confine(tmp_path)
    (added,) = [call for call in kernel.asked if call[0] == ADD]
    assert struct.unpack("=Qi", added[3])[0] == 0b1100 | 1 << 1 | 1 << 5 | 1 << 8


def rulesets() -> set[str]:
    """The open files of this process that may be what `kernel` gave out. Other threads have files of their own."""
    found: set[str] = set()
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if str(file.readlink()) == "/dev/null":
                found.add(file.name)
    return found


@pytest.mark.parametrize("number", [CREATE, ADD, RESTRICT])
def test_a_kernel_that_refuses_stops_the_worker(kernel: Libc, tmp_path: Path, number: int):
    """A worker without its cage must not run as if it had one."""
    kernel.fails = frozenset({number})
    before = rulesets()
    with pytest.raises(OSError, match="Invalid argument") as raised:
        cage.confine(tmp_path)
    assert raised.value.errno == errno.EINVAL
    assert rulesets() == before


def test_a_kernel_without_one_of_them_has_the_others(kernel: Libc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for abi in (0, -1):
        kernel.abi = abi
        assert cage.landlock_abi() == 0
        assert cage.confine(tmp_path) == "no Landlock: this kernel has none or keeps it off, seccomp"
    kernel.abi = 6
    kernel.seccomp = -1
    assert cage.confine(tmp_path) == "Landlock ABI 6, no seccomp filter: this kernel has none"
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert cage.confine(tmp_path) == "Landlock ABI 6, no seccomp filter for riscv64"
    kernel.no_new_privileges = -1
    kernel.asked.clear()
    assert cage.confine(tmp_path) == "no cage: this is not Linux"
    assert len(kernel.asked) == 1


X86, ARM = 0xC000003E, 0xC00000B7


def answer(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the filter answers to a call: a machine for the five instructions that it is made of."""
    lines = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    words = {0: number, 4: architecture} | {16 + 8 * at: given for at, given in enumerate((*arguments, 0, 0, 0))}
    at = value = 0
    while True:
        code, if_true, if_false, constant = lines[at]
        at += 1
        if code == 0x20:  # BPF_LD | BPF_W | BPF_ABS
            value = words[constant]
        elif code == 0x15:  # BPF_JMP | BPF_JEQ | BPF_K
            at += if_true if value == constant else if_false
        elif code == 0x35:  # BPF_JMP | BPF_JGE | BPF_K
            at += if_true if value >= constant else if_false
        elif code == 0x45:  # BPF_JMP | BPF_JSET | BPF_K
            at += if_true if value & constant else if_false
        else:
            assert code == 0x06  # BPF_RET | BPF_K
            return constant


ALLOW, EPERM, ENOTTY, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050019, 0x00050026
PID = 4711


@pytest.mark.parametrize(("machine", "own", "other"), [("x86_64", X86, ARM), ("aarch64", ARM, X86)])
def test_the_filter_allows_these_calls_and_no_others(machine: str, own: int, other: int):
    program = seccomp.program(machine, PID)
    column = seccomp.MACHINES.index(machine)
    allowed = {numbers[column] for numbers in seccomp.ALLOWED.values()} - {None}
    judged = {numbers[column] for numbers in (seccomp.CLONE, seccomp.CLONE3, seccomp.PRCTL, seccomp.PRLIMIT)}
    judged |= {seccomp.TGKILL[column], seccomp.IOCTL[column]}
    assert not allowed & judged
    assert {number for number in range(500) if answer(program, own, number) == ALLOW} - judged == allowed
    assert {answer(program, own, number) for number in range(500) if number not in allowed | judged} == {EPERM}
    assert answer(program, own, 0x3FFFFFFF) == EPERM
    assert answer(program, own, 0x40000000) == EPERM
    assert answer(program, own, 2**32 - 1) == EPERM
    assert {answer(program, other, number) for number in range(500)} == {EPERM}


@pytest.mark.parametrize(("machine", "own"), [("x86_64", X86), ("aarch64", ARM)])
def test_some_calls_are_allowed_by_their_arguments(machine: str, own: int):
    program = seccomp.program(machine, PID)
    column = seccomp.MACHINES.index(machine)

    def judged(numbers: tuple[int, int], *arguments: int) -> int:
        return answer(program, own, numbers[column], *arguments)

    assert judged(seccomp.CLONE, 0x3D0F00) == ALLOW  # what the C library asks for a thread
    assert judged(seccomp.CLONE, 0x1200011) == EPERM  # fork
    assert judged(seccomp.CLONE, 0x4111) == EPERM  # vfork
    assert judged(seccomp.CLONE, 0x3D0F00 | 0x40000000) == EPERM  # with a network of its own
    assert judged(seccomp.CLONE3) == ENOSYS
    assert judged(seccomp.IOCTL, 0, 0x5412) == ENOTTY
    assert judged(seccomp.PRLIMIT, 0) == ALLOW
    assert judged(seccomp.PRLIMIT, PID) == EPERM
    assert judged(seccomp.TGKILL, PID) == ALLOW
    assert judged(seccomp.TGKILL, PID - 1) == EPERM
    assert judged(seccomp.PRCTL, 15) == ALLOW
    assert judged(seccomp.PRCTL, 4) == EPERM


def test_what_is_imported_may_be_read_but_not_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(
        sys, "path", [*sys.path, str(tmp_path / "dist-packages"), str(tmp_path / "site-packages"), "/x"]
    )
    monkeypatch.setattr(sys, "exec_prefix", "/")
    found = cage.libraries()
    assert found == sorted(found)
    assert {Path(sys.prefix), Path("/lib"), Path("/usr/lib"), Path("/usr/local/lib"), Path("/etc/ld.so.cache")} <= {
        *found
    }
    assert {Path("/lib64"), Path("/usr/lib64"), Path(sys.base_prefix)} <= {*found}
    assert {tmp_path / "dist-packages", tmp_path / "site-packages"} <= {*found}
    assert {Path("/"), tmp_path / "x"}.isdisjoint(found)
    for name in ("imges", "PIL", "cffi"):
        assert Path(sys.modules[name].__file__ or "").parent in found
    assert Path(sys.executable) not in found
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert Path(sys.executable) in cage.libraries()
    monkeypatch.setitem(sys.modules, "cffi", None)
    assert cage.libraries()
