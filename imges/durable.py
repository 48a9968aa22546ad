"""Writes that a crash or a power cut cannot leave half done.

After a power cut a disk holds what was synced before, and perhaps more, in any order: a new name may lead to a file
whose bytes never arrived. So every function here syncs the bytes first, then gives the file its name, then syncs the
folder that holds the name. Only then does it return.

All functions block: async code calls them in a thread.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
"""The mode of a file that only its owner may read and write."""


def sync(path: Path) -> None:
    """Waits until the disk holds *path*: the bytes of a file, or the names in a folder. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(file: Path, content: bytes) -> None:
    """Makes *content* the whole of *file*, with mode 0600; replaces a file that is there.

    At any moment, *file* holds all of *content* or what it held before. When this returns, the disk holds *content*.
    Raises `OSError`; *file* is then as before, unless only the sync of its folder failed.
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mkstemp makes it 0600
    staged = Path(name)
    try:
        with os.fdopen(handle, "wb") as writing:
            writing.write(content)
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

    Each folder that is made gets *mode*, whatever the umask; `None` leaves the mode to the umask. A folder that exists
    keeps its mode. Without the syncs, a power cut could take a new folder away with all that was synced inside it.

    Does nothing if something else than a folder has the name: what the caller does inside it then fails. Raises
    `OSError`.
    """
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        with suppress(FileExistsError):  # another process made it since, or it is a symlink that leads nowhere
            missing.mkdir()
            if mode is not None:
                missing.chmod(mode)
        with suppress(PermissionError):  # we may pass through the folder above, but not read it: so it cannot be synced
            sync(missing.parent)
