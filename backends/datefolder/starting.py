"""The start: makes the root and its staging folder, and refuses a root that cannot be used."""

import os
from contextlib import suppress
from pathlib import Path

from imges.storage import StorageRefused, make_folders

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
        with descriptor_of(staging, AS_FOLDER) as descriptor:  # not through a symlink, which could lead off the disk
            os.fchmod(descriptor, 0o700)
    except OSError as error:
        raise StorageRefused("root", f"the folder {root} cannot be used ({error.strerror}); {advice}") from error
    for folder in (root, staging):
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise StorageRefused("root", f"the folder {folder} cannot be written; {advice}")
