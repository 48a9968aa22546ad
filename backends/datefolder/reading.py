"""What is done to objects besides puts: open, stat, delete, scan, and the sweep of what puts left."""

import os
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from stat import S_ISREG

from imges.storage import InvalidKey, KeyMissing, ObjectEntry, ObjectStat, checked_key, moment_of

from .tree import AS_FILE, AS_FOLDER, STAGING, Tree, absence_as_missing, descriptor_of


def open_object(tree: Tree, key: str, opened: ExitStack) -> tuple[int, int]:
    """Returns a descriptor, which *opened* closes, and the size in bytes. Raises `KeyMissing`."""
    with tree.home(key) as (folder, name):
        descriptor = os.open(name, AS_FILE, dir_fd=folder)
    opened.callback(_close, descriptor)
    status = os.fstat(descriptor)
    if not S_ISREG(status.st_mode):
        raise KeyMissing(key)
    return descriptor, status.st_size


def _close(descriptor: int) -> None:
    with suppress(OSError):  # it was only read, so nothing is lost
        os.close(descriptor)


def stat(tree: Tree, key: str) -> ObjectStat:
    """Raises `KeyMissing`, also for what is no regular file."""
    with tree.home(key) as (folder, name):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not S_ISREG(status.st_mode):
        raise KeyMissing(key)
    return ObjectStat(status.st_size, moment_of(status.st_mtime))


def delete(tree: Tree, key: str) -> None:
    """Deletes the object, durably; leaves a folder of that name alone."""
    with suppress(KeyMissing), tree.home(key) as (folder, name):
        with suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(name, dir_fd=folder)
        os.fsync(folder)  # also if the file was gone: an earlier delete may have failed just before its sync


def walk(tree: Tree, prefix: str) -> Generator[ObjectEntry]:
    """Gives the objects folder by folder, each folder as a stream. Holds only the names of folders still to come."""
    waiting = [""]
    while waiting:
        above = waiting.pop()
        for entry in _listed(tree, above):
            key = above + entry.name
            if not _is_key(key):  # not ours, such as .DS_Store, or a name that is no UTF-8
                continue
            if entry.is_dir(follow_symlinks=False):
                if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                    waiting.append(f"{key}/")
            elif key.startswith(prefix) and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # deleted since the folder was read
                    status = entry.stat(follow_symlinks=False)
                    yield ObjectEntry(key, status.st_size, moment_of(status.st_mtime))


def _listed(tree: Tree, above: str) -> Iterator[os.DirEntry[str]]:
    """What is in the folder *above* (`""`, or ending in a slash); nothing if somebody removed the folder."""
    with (
        tree.opened() as root,
        suppress(KeyMissing),
        absence_as_missing(above),
        tree.folder(root, above.split("/")[:-1]) as folder,
        os.scandir(folder) as entries,
    ):
        yield from entries


def _is_key(name: str) -> bool:
    try:
        return bool(checked_key(name))
    except InvalidKey:
        return False


def sweep(tree: Tree, older_than: timedelta) -> None:
    """Deletes copies and claims that were staged more than *older_than* ago.

    Goes by ctime, the time of staging. The mtime of a link in staging is the linked file's own for a moment, and may be
    years old: a sweep by mtime would delete it in the middle of its put.
    """
    limit = time.time() - older_than.total_seconds()
    with (
        tree.opened() as root,
        descriptor_of(STAGING, AS_FOLDER, root) as staging,
        os.scandir(staging) as entries,
    ):
        for entry in entries:
            with suppress(FileNotFoundError, IsADirectoryError):
                if entry.stat(follow_symlinks=False).st_ctime <= limit:
                    os.unlink(entry.name, dir_fd=staging)
