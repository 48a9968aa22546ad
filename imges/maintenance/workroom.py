"""Folders for files on their way; a server that starts empties its own spool, and not these."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from imges.intake import translated

PREFIX = "upkeep-"
LEASE = "lease"
IN_USE = "in-use"
"""A file that its folder's process has locked."""


class Workroom:
    """A folder of this process alone, below the data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.spool = folder / "spool"
        """For decoders."""
        self.former_leases: list[str] = []
        """Leases of processes that were killed: what they left pending is nobody's."""

    @classmethod
    @contextmanager
    def open(cls, data_dir: Path) -> Generator["Workroom"]:
        """One below *data_dir*, gone at the end; what killed processes left of theirs goes at the start."""
        former_leases: list[str] = []
        for left in data_dir.glob(f"{PREFIX}*"):
            with suppress(OSError), _locked(left):
                with suppress(FileNotFoundError):
                    former_leases.append((left / LEASE).read_text())
                shutil.rmtree(left)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=data_dir))
        with _locked(folder):
            try:
                room = cls(folder)
                room.former_leases = former_leases
                yield room
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def note(self, lease: str) -> None:
        """Leave *lease* to whoever finds this folder when we were killed."""
        (self._folder / LEASE).write_text(lease)

    @asynccontextmanager
    async def folder(self) -> AsyncGenerator[Path]:
        """An empty folder for one picture. Raises: DiskReserve, SpoolUnavailable."""
        try:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._folder))
        except OSError as error:
            raise translated(error) from error
        try:
            yield folder
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Raises: OSError where another process has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def folder_beside(parent: Path, prefix: str) -> Generator[Path]:
    """A new folder in *parent*, gone at the end; what killed processes left of theirs goes at the start.

    *parent* is anybody's: ours are known by a file that is locked before it has its name, so that nothing else is taken
    away, be it named alike, and nothing of a process that lives. Blocking. Raises: OSError.
    """
    for left in parent.glob(f"{prefix}*/{IN_USE}"):
        with suppress(OSError), left.open("r+") as lock:  # to write, or NFS would not lock it
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with (folder / f"{IN_USE}.part").open("w") as lock:
            with suppress(OSError):  # where nothing can be locked, nothing is taken for left behind
                fcntl.flock(lock, fcntl.LOCK_EX)
                Path(lock.name).replace(folder / IN_USE)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
