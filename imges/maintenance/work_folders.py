"""Folders for files that are on their way. Unlike the spool, a server that starts does not empty them."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from imges.receiving.spool import translated

PREFIX = "upkeep-"
LEASE = "lease"
IN_USE = "in-use"
"""A file that the process of its folder has locked."""


class WorkFolder:
    """The folder of one maintenance command, below the data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.spool = folder / "spool"
        """Where the decoders work."""
        self.former_leases: list[str] = []
        """Leases of commands that were killed: nobody finishes what those reserved."""

    @classmethod
    @contextmanager
    def open(cls, data_dir: Path) -> Generator["WorkFolder"]:
        """Deletes folders of killed commands below *data_dir*. Makes a new one, and deletes it at the end."""
        former_leases: list[str] = []
        for left in data_dir.glob(f"{PREFIX}*"):
            with suppress(OSError), _locked(left):
                with suppress(FileNotFoundError):
                    former_leases.append((left / LEASE).read_text())
                shutil.rmtree(left)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=data_dir))
        with _locked(folder):
            try:
                work_folder = cls(folder)
                work_folder.former_leases = former_leases
                yield work_folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def note(self, lease: str) -> None:
        """Writes *lease* down for the next command, in case this one is killed."""
        (self._folder / LEASE).write_text(lease)

    @asynccontextmanager
    async def folder(self) -> AsyncGenerator[Path]:
        """Makes an empty folder for one picture, and deletes it at the end.

        Raises `DiskReserve` if the disk is full, and `SpoolUnavailable` if the folder cannot be made.
        """
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
    """Locks *folder*. Raises `OSError` if another process has locked it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def folder_beside(parent: Path, prefix: str) -> Generator[Path]:
    """Makes a new folder in *parent*, and deletes it at the end. Deletes those of killed processes first. Blocking.

    *parent* may be anybody's folder, so a name that begins with *prefix* proves nothing. Our folders have a file
    `in-use`, which is locked before it gets its name. A folder without that file is not ours. A folder whose file is
    locked belongs to a process that lives.

    Raises `OSError` if the folder cannot be made.
    """
    for left in parent.glob(f"{prefix}*/{IN_USE}"):
        with suppress(OSError), left.open("r+") as lock:  # opened for writing: NFS locks no other file
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with (folder / f"{IN_USE}.part").open("w") as lock:
            with suppress(OSError):  # on a file system without locks the folder stays if we are killed
                fcntl.flock(lock, fcntl.LOCK_EX)
                Path(lock.name).replace(folder / IN_USE)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
