"""One data folder belongs to one running `serve`."""

import fcntl
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Protocol, TextIO

from imges.errors import SettingsError

DYING = 2.0
"""Seconds that children of a `serve` that was killed may take to notice; until then they hold the folder."""


class Lock(Protocol):
    """What a process that serves asks of the lock that is held for it."""

    @property
    def former_leases(self) -> Sequence[str]:
        """Leases of processes that are dead for certain, though the leases have not run out yet."""
        ...

    def note(self, lease: str) -> None:
        """Leave *lease* to the next holder."""
        ...


class DataLock:
    """The lock file of a data folder, held. It names the leases of who holds it: whoever holds it next knows that the
    former holders are dead, and need not wait until their leases have run out.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.former_leases: Sequence[str] = file.read().split()
        self._leases: list[str] = []

    def note(self, lease: str, *, instead_of: str | None = None) -> None:
        """Leave *lease* to the next holder, and *instead_of* no longer."""
        self._leases = [*(each for each in self._leases if each != instead_of), lease]
        self._file.seek(0)
        self._file.truncate()
        self._file.write("\n".join(self._leases))
        self._file.flush()

    def passed(self, former_leases: Sequence[str]) -> "PassedLock":
        """The lock for a child to which it is being sent, with the leases that are for that child to give back."""
        return PassedLock(self._file.fileno(), former_leases)


class PassedLock:
    """The lock in a child of its holder: as long as the child lives, the folder is not free."""

    def __init__(self, file: int, former_leases: Sequence[str]) -> None:
        self._file = file
        self.former_leases = former_leases
        self._tell: Callable[[str, str], None] = lambda _name, _lease: None

    def __reduce__(self) -> tuple[Any, ...]:
        """Only for a child that is being spawned."""
        return _arrived, (DupFd(self._file), self.former_leases)

    def told_to(self, tell: Callable[[str, str], None]) -> None:
        """Let the parent hear of leases."""
        self._tell = tell

    def note(self, lease: str) -> None:
        self._tell("lease", lease)


def _arrived(file: Any, former_leases: Sequence[str]) -> PassedLock:
    return PassedLock(file.detach(), former_leases)


@contextmanager
def held(data_dir: Path, *, patience: float = 0.0) -> Generator[DataLock]:
    """The lock of *data_dir*, for as long as the process lives at most.

    Raises: SettingsError where another has it for longer than *patience* (seconds).
    """
    with (data_dir / "lock").open("a+") as file:
        if not _taken(file.fileno(), time.monotonic() + patience):
            raise SettingsError(
                f"data_dir is {str(data_dir)!r}: another `imges serve` runs on it; stop that one, "
                "or give this one a folder of its own"
            )
        file.seek(0)
        yield DataLock(file)


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
