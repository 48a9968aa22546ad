"""The lock of a data folder: it belongs to one running `serve`.

Two servers on one folder would empty each other's spool, take back each other's uploads and write one SQLite file from
two programs with different settings. The lock is `flock` on a file. The kernel releases it when the last process that
has the file open ends, so a crash or `kill -9` leaves no stale lock, and no process id has to be trusted.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Protocol, TextIO

from imges.durable import NETWORK, open_shared
from imges.errors import SettingsError

DYING = 2.0
"""Seconds for which a new `serve` waits for the lock.

The children of a killed `serve` notice the death of their parent a moment later and hold the lock until then.
"""


class Lock(Protocol):
    """The lock as a serving process uses it."""

    @property
    def former_leases(self) -> Sequence[str]:
        """Leases of dead processes, to be released although they have not run out yet."""
        ...

    def note(self, lease: str) -> None:
        """Writes *lease* into the lock file, for the next holder."""
        ...


class DataLock:
    """The held lock of a data folder.

    Its file contains the leases of the processes that hold it. The next holder knows that these processes are dead,
    because it has got the lock. So it takes back their uploads at once and does not wait until the leases run out.
    """

    def __init__(self, file: TextIO, command: str = "serve") -> None:
        self._file = file
        self._command = command
        self.former_leases: Sequence[str] = [line for line in file.read().split("\n") if line and line[0] != "#"]
        self._leases: list[str] = []
        self._write(self.former_leases)

    def note(self, lease: str, *, instead_of: str | None = None) -> None:
        """Adds *lease* to the leases in the file, and removes *instead_of*."""
        self._leases = [*(each for each in self._leases if each != instead_of), lease]
        self._write(self._leases)

    def _write(self, leases: Sequence[str]) -> None:
        """Writes who holds the lock, for the message of `held`, and *leases*."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write("\n".join([f"# imges {self._command}, process {os.getpid()}", *leases]))
        self._file.flush()

    def passed(self, former_leases: Sequence[str]) -> "PassedLock":
        """Returns the lock for a child that is being spawned.

        *former_leases* are leases of dead processes that this child has to release.
        """
        return PassedLock(self._file.fileno(), former_leases)


class PassedLock:
    """The lock in a child of its holder.

    The child has the file open as well. If the parent is killed, the folder is not free before all children have ended.
    """

    def __init__(self, file: int, former_leases: Sequence[str]) -> None:
        self._file = file
        self.former_leases = former_leases
        self._tell: Callable[[str, str], None] = lambda _name, _lease: None

    def __reduce__(self) -> tuple[Any, ...]:
        """Duplicates the descriptor; that works only while a child is being spawned."""
        return _arrived, (DupFd(self._file), self.former_leases)

    def report_to(self, tell: Callable[[str, str], None]) -> None:
        """Sends leases to the parent by *tell*: the parent alone writes the file."""
        self._tell = tell

    def note(self, lease: str) -> None:
        self._tell("lease", lease)


def _arrived(file: Any, former_leases: Sequence[str]) -> PassedLock:
    return PassedLock(file.detach(), former_leases)


@contextmanager
def held(data_dir: Path, *, command: str = "serve", patience: float = 0.0) -> Generator[DataLock]:
    """Holds the lock of *data_dir* for *command*.

    Raises `SettingsError` if another process holds it for longer than *patience* (seconds), or if the file system has
    no locks.
    """
    with _opened(data_dir) as file:
        try:
            taken = _taken(file.fileno(), time.monotonic() + patience)
        except OSError as error:  # such as ENOLCK of NFS
            problem = f"it cannot be locked ({error.strerror}); {NETWORK}"
            raise SettingsError(f"data_dir is {str(data_dir)!r}: {problem}") from error
        file.seek(0)
        if not taken:
            raise SettingsError(f"data_dir is {str(data_dir)!r}: {_held_by(file.readline())}")
        yield DataLock(file, command)


def _opened(data_dir: Path) -> TextIO:
    file = data_dir / "lock"
    try:
        return os.fdopen(open_shared(file, 0o644), "r+")
    except OSError as error:
        raise SettingsError(
            f"data_dir is {str(data_dir)!r}: {file.name} cannot be opened ({error.strerror})"
        ) from error


def _held_by(line: str) -> str:
    """Returns what to do about the process that the first *line* of the lock's file names."""
    holder = re.fullmatch(r"# imges ([a-z -]+), process (\d+)\n?", line)
    command, process = holder.groups() if holder else ("serve", "")
    named = f"`imges {command}`" + (f" (process {process})" if process else "")
    if command == "serve":
        return f"another {named} runs on it; stop that one, or give this one a folder of its own"
    return f"{named} works on it; try again when it has ended"


def _taken(file: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True
