"""The way from the root to a folder: folder by folder, by descriptors, through no symlink.

A symlink below the root may come from another program that writes there, or from a restored backup. If it
were followed, a picture's key could read, write or delete files outside the root. `O_NOFOLLOW` at each step rules that
out, also against a folder that somebody exchanges for a symlink in the middle of our work: a check by path would have
looked at the folder before. Only the root itself may be a symlink: its owner chose it.
"""

import errno
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR

from imges.storage import KeyMissing, shared

STAGING = ".staging"
"""The folder in the root for copies and claims: on the root's file system, so that a copy can be linked from there. No
key and no scan reaches it, because its name starts with a dot."""

AS_ROOT = os.O_RDONLY | os.O_DIRECTORY
AS_FOLDER = AS_ROOT | os.O_NOFOLLOW
AS_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
"""`O_NONBLOCK` is against a pipe under an object's name: without it, opening the pipe would wait for a writer."""

ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""Errors that mean that no object is there. `ELOOP` is what `O_NOFOLLOW` makes of a symlink."""


class Tree:
    """The folders below *root*."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._durable: set[str] = set()
        """Folders whose names are known to be on the disk, so that no put syncs them again: a handful for each day."""

    @contextmanager
    def opened(self) -> Generator[int]:
        """The root's descriptor.

        Raises `OSError` also if the root has no staging folder. Such a root is the empty mount point of a disk that is
        not mounted: every picture would look deleted there, and a new one would vanish under the mount.
        """
        with descriptor_of(self.root, AS_ROOT) as root:
            if not S_ISDIR(os.stat(STAGING, dir_fd=root, follow_symlinks=False).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "not a folder", STAGING)
            yield root

    @contextmanager
    def home(self, key: str) -> Generator[tuple[int, str]]:
        """The descriptor of the object's folder, and its name there. Raises `KeyMissing` if there is no such folder."""
        *parts, name = key.split("/")
        with self.opened() as root, absence_as_missing(key), self.folder(root, parts) as folder:
            yield folder, name

    @contextmanager
    def folder(self, root: int, parts: Sequence[str], *, make: bool = False) -> Generator[int]:
        """The descriptor of the folder *parts* below the root. If *make*, makes folders that are missing, durably."""
        folder = os.dup(root)
        try:
            for depth in range(1, len(parts) + 1):
                below = self._enter_or_make(folder, parts[:depth]) if make else _enter(folder, parts[depth - 1])
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)

    def _enter_or_make(self, parent: int, parts: Sequence[str]) -> int:
        path = "/".join(parts)
        if path in self._durable:
            with suppress(FileNotFoundError):  # somebody removed it since, so it is made again
                return _enter(parent, parts[-1])
        folder = _made(parent, parts[-1])
        self._durable.add(path)
        return folder


def _enter(parent: int, name: str) -> int:
    return os.open(name, AS_FOLDER, dir_fd=parent)


def _made(parent: int, name: str) -> int:
    """The folder *name*, made if it is missing; its name in *parent* is on the disk when this returns."""
    is_new = True
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:  # so the sync below is needed too: another process may have made it just now, unsynced
        is_new = False
    folder = _enter(parent, name)
    try:
        if is_new:
            os.fchmod(folder, shared(0o755, parent))  # whatever the umask, so that a proxy may pass
        os.fsync(parent)
    except OSError:
        os.close(folder)
        raise
    return folder


@contextmanager
def descriptor_of(path: str | Path, flags: int, inside: int | None = None) -> Generator[int]:
    """Opens *path* (*inside* the folder of that descriptor) and closes it at the end."""
    descriptor = os.open(path, flags, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def absence_as_missing(key: str) -> Generator[None]:
    """Turns an `OSError` that means that nothing is there into `KeyMissing`."""
    try:
        yield
    except OSError as error:
        if error.errno in ABSENT:
            raise KeyMissing(key) from error
        raise
