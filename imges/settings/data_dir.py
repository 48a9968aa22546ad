"""Makes the data folder and tries it, before anything is stored in it."""

import errno
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imges.durable import make_folders
from imges.errors import SettingsError
from imges.settings.model import Settings

OURS = ("lock", "api.key", "imges.db", "imges.db-wal", "imges.db-shm", "images", "spool", "metrics")
"""What imges makes in the data folder."""


def prepare_data_dir(settings: Settings) -> None:
    """Makes `data_dir` (0711) if it is missing, writes a file, and looks at the owners of what lies in it.

    Raises `SettingsError` with what to do if it cannot be used.
    """
    folder = settings.data_dir
    try:
        if not folder.exists():
            make_folders(folder)
            folder.chmod(0o711)  # whatever the umask: a proxy goes through it to the pictures, and lists nothing
        with tempfile.TemporaryFile(dir=folder):
            pass
        foreign = list(_foreign(folder))
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        advice = _advice(folder, error)
        raise SettingsError(
            f"data_dir is '{folder}': should be a folder that can be written ({reason}){advice}"
        ) from None
    if foreign:
        names = ", ".join(f"{file.name} of {_user(file)}" for file in foreign[:3])
        raise SettingsError(
            f"data_dir is '{folder}': {names} cannot be used by {_user_named(os.geteuid())}; "
            f"run as root: chown -R {os.geteuid()}:{os.getegid()} {folder.absolute()}"
        )


def _foreign(folder: Path) -> Iterator[Path]:
    """Yields what imges has made in *folder* and cannot write any more, because another user has run it."""
    for name in OURS:
        file = folder / name
        mode = os.R_OK | os.W_OK | (os.X_OK if file.is_dir() else 0)
        if file.exists() and not os.access(file, mode):
            yield file


def _advice(folder: Path, error: OSError) -> str:
    """Returns what mends *error*; nothing if the error says enough."""
    if error.errno == errno.EROFS:
        return "; mount it for writing: mount -o remount,rw, or name another folder"
    if error.errno not in {errno.EACCES, errno.EPERM}:
        return ""
    try:
        there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
        user = _user(there)
    except OSError:  # not even the folder above can be read
        return f"; run this as the user that it belongs to, or as root: chown {os.geteuid()} {folder}"
    return f"; {there} belongs to {user}: run this as that user (sudo -u '{user}'), or name another folder"


def _user(file: Path) -> str:
    return _user_named(file.stat().st_uid)


def _user_named(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"
