"""Writes that a crash or a power cut cannot leave half done.

After a power cut a disk holds what was synced before, and perhaps more, in any order: a new name may lead to a file
whose bytes never arrived. So every function here syncs the bytes first, then gives the file its name, then syncs the
folder that holds the name. Only then does it return.

All functions block: async code calls them in a thread.
"""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
"""The mode of a file that only its owner may read and write."""

NETWORK = "it looks like a network file system; keep data_dir on a local disk"
"""What to say about a folder whose file system has no locks or no memory that processes share."""


def shared(mode: int, folder: Path | int) -> int:
    """Returns the *mode* of what is made in *folder*: if that is shared, the group gets the rights of the owner.

    A folder is shared if its group alone may write it too, and it is setgid or belongs to group 0. So OpenShift gives
    volumes to containers, which run with another user at each start and with group 0 always. *folder* is a path, or a
    descriptor.
    """
    try:
        found = folder.stat() if isinstance(folder, Path) else os.fstat(folder)
    except OSError:
        return mode
    is_of_group = found.st_mode & stat.S_IWGRP and not found.st_mode & stat.S_IWOTH
    is_shared = is_of_group and (found.st_mode & stat.S_ISGID or found.st_gid == 0)
    return mode | (mode & stat.S_IRWXU) >> 3 if is_shared else mode


def sync(path: Path) -> None:
    """Waits until the disk holds *path*: the bytes of a file, or the names in a folder. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_shared(file: Path, mode: int) -> int:
    """Opens *file* for reading and writing, and makes it if it is missing, with *mode* (see `shared`).

    If root makes it, it belongs to the owner of its folder. Returns the descriptor. Raises `OSError`.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    wanted = shared(mode, file.parent)
    found = os.fstat(descriptor)
    if os.geteuid() == 0 and (folder := file.parent.stat()).st_uid != found.st_uid:
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    if wanted != mode and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != wanted:
        os.fchmod(descriptor, wanted)
    return descriptor


def write_whole(file: Path, content: bytes) -> None:
    """Makes *content* the whole of *file*, with mode 0600 (see `shared`); replaces a file that is there.

    At any moment, *file* holds all of *content* or what it held before. When this returns, the disk holds *content*.
    Raises `OSError`; *file* is then as before, unless only the sync of its folder failed.
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mkstemp makes it 0600
    staged = Path(name)
    try:
        with os.fdopen(handle, "wb") as writing:
            writing.write(content)
            os.fchmod(writing.fileno(), shared(PRIVATE, file.parent))
        move_over(staged, file)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def move_over(source: Path, target: Path) -> None:
    """Renames the file *source* to *target*, durably; replaces a file that is there.

    At any moment, *target* is the whole of *source* or what it was before. Both are on one file system. Raises
    `OSError`.
    """
    sync(source)
    source.replace(target)
    sync(target.parent)


def link_new(source: Path, target: Path) -> None:
    """Gives the file *source* a second name, the new *target*, durably. Never overwrites.

    Both are on one file system. Raises `FileExistsError` if something has the name *target*, else `OSError`.
    """
    sync(source)
    target.hardlink_to(source)  # two processes cannot both succeed, as they could with "look, then rename"
    sync(target.parent)


def make_folders(folder: Path, mode: int | None = None) -> None:
    """Makes *folder* and the folders above it that are missing, durably.

    Each folder that is made gets *mode* (see `shared`), whatever the umask; `None` leaves the mode to the umask. A
    folder that exists keeps its mode. Without the syncs, a power cut could take a new folder away with all that was
    synced inside it.

    Does nothing if something else than a folder has the name: what the caller does inside it then fails. Raises
    `OSError`.
    """
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        with suppress(FileExistsError):  # another process made it since, or it is a symlink that leads nowhere
            missing.mkdir()
            if mode is not None:
                missing.chmod(shared(mode, missing.parent))
        with suppress(PermissionError):  # we may pass through the folder above, but not read it: so it cannot be synced
            sync(missing.parent)
