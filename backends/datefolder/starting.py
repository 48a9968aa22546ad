"""The start: makes the root and its staging folder, and refuses a root that cannot be used."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from imges.storage import StorageRefused, make_folders, shared

from .tree import AS_FOLDER, STAGING, descriptor_of


def prepare(root: Path) -> None:
    """Makes *root* (0755) and its staging folder (0700) if they are missing.

    Raises `StorageRefused` if one of them cannot be made or written. So a wrong folder, or one of another user, stops
    the start, and not the first upload.
    """
    advice = "give it to the user that runs imges, or name another folder"
    staging = root / STAGING
    try:
        make_folders(root, 0o755)
        with suppress(FileExistsError):
            staging.mkdir(mode=0o700)
        # Not through a symlink, which could lead off the disk. In a shared folder, another user may have made it.
        with descriptor_of(staging, AS_FOLDER) as descriptor, suppress(PermissionError):
            os.fchmod(descriptor, shared(0o700, root))
    except OSError as error:
        raise StorageRefused("root", f"the folder {root} cannot be used ({error.strerror}); {advice}") from error
    for folder in (root, staging):
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise StorageRefused("root", f"the folder {folder} cannot be written; {advice}")
    refuse_foreign(root)


def refuse_foreign(root: Path) -> None:
    """Raises `StorageRefused` if a folder that new pictures go to belongs to another user and cannot be written."""
    for folder in (root / STAGING, *_latest(root)):
        owner = folder.stat().st_uid
        if owner != os.geteuid() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            advice = f"run as root: chown -R {os.geteuid()}:{os.getegid()} {root}"
            raise StorageRefused("root", f"the folder {folder} of user {owner} cannot be written; {advice}")


def _latest(root: Path) -> Iterator[Path]:
    """Yields the folders of the latest year, month and day below *root*: those that new pictures go to."""
    folder = root
    for _ in range(3):
        below = [child for child in folder.iterdir() if child.name.isdecimal() and child.is_dir()]
        if not below:
            return
        folder = max(below)
        yield folder
        if not os.access(folder, os.R_OK | os.X_OK):
            return
