"""`backup` and `restore`: one archive of the catalog, the guests' key and the settings.

The catalog is copied as of one moment while others read and write. It is the first half of a backup. The owner copies
the files of the pictures after it, so that every row has its files. A picture that was uploaded between the two is an
object without a row, which `fsck` takes in.
"""

import gzip
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from imges import __version__
from imges.catalog import copy_sqlite
from imges.durable import PRIVATE, link_new
from imges.errors import ImgesError, SettingsError
from imges.maintenance.work_folders import folder_beside

DATABASE, KEY_FILE, SETTINGS, ABOUT = "imges.db", "api.key", "settings.yaml", "about.json"
DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)
"""What the libraries raise for an archive that is not whole."""


class NotABackup(ImgesError):
    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file} is not a backup of imges, or it is damaged ({reason.partition(chr(10))[0]})")


def back_up(file: Path, database: Path, *, key_file: Path, settings_file: Path | None, environment: list[str]) -> None:
    """Writes the archive to the new *file*, which its owner alone can read. It appears whole or not at all. Blocking.

    *environment* names the variables that settings came from; their values are not in the archive.

    Raises `SettingsError` if *file* exists, `CatalogUnavailable` or `CatalogFull` if the catalog cannot be copied, and
    `OSError` if *file* cannot be written.
    """
    if file.exists():
        raise SettingsError(f"{file} exists; name a new file, or move that one away")
    with folder_beside(file.absolute().parent, ".backup-") as folder:
        copy, part = folder / DATABASE, folder / "archive"
        copy_sqlite(database, copy)
        about = {"imges": __version__, "time": datetime.now(UTC).isoformat(), "environment": environment}
        (folder / ABOUT).write_text(json.dumps(about) + "\n")
        with _new_file(part) as opened, tarfile.open(fileobj=opened, mode="w:gz", compresslevel=3) as archive:
            archive.add(folder / ABOUT, ABOUT)
            archive.add(copy, DATABASE)
            for path, name in ((key_file, KEY_FILE), (settings_file, SETTINGS)):
                if path is not None and path.is_file():
                    archive.add(path.resolve(), name)
        link_new(part, file)


def _new_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE), "wb")


class Backup:
    """An archive, unpacked into a *folder*. `settings` and `key_file` are `None` if it has none."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.about = about
        self.database = folder / DATABASE
        self.settings = self._there(folder / SETTINGS)
        self.key_file = self._there(folder / KEY_FILE)

    def _there(self, path: Path) -> Path | None:
        return path if path.is_file() else None


@contextmanager
def opened(file: Path, beside: Path) -> Generator[Backup]:
    """Unpacks the backup *file* into a folder in *beside* that is deleted at the end. Blocking.

    Raises `NotABackup` if the archive is damaged or is no backup, and `OSError` if it cannot be read or unpacked.
    """
    with folder_beside(beside, ".restore-") as folder:
        try:
            with gzip.open(file) as whole, tarfile.open(fileobj=whole) as archive:
                for member in archive:
                    source = archive.extractfile(member) if member.isfile() else None
                    if source is None or member.name not in {DATABASE, KEY_FILE, SETTINGS, ABOUT}:
                        continue
                    with _new_file(folder / member.name) as target:
                        shutil.copyfileobj(source, target, 2**20)
                while whole.read(2**20):  # to the end: gzip checks its checksum there
                    pass
            about = json.loads((folder / ABOUT).read_text())
        except (*DAMAGED, ValueError, FileNotFoundError) as error:
            raise NotABackup(file, str(error)) from error
        if not (folder / DATABASE).is_file():
            raise NotABackup(file, "there is no catalog in it")
        yield Backup(folder, about)


def read_settings(file: Path) -> bytes | None:
    """Returns the settings file in the backup; `None` if the backup has none. Blocking.

    Raises `NotABackup` if the archive is damaged, and `OSError` if it cannot be read.
    """
    try:
        with tarfile.open(file, "r:gz") as archive:
            if SETTINGS not in archive.getnames():
                return None
            source = archive.extractfile(SETTINGS)
            return source.read() if source else None
    except DAMAGED as error:
        raise NotABackup(file, str(error)) from error


def put_in_place(source: Path, target: Path) -> None:
    """Gives *source*, which is on the same disk, the name *target*, durably.

    Raises `SettingsError` if there is a *target* already: it is not overwritten.
    """
    try:
        link_new(source, target)
    except FileExistsError as error:
        raise SettingsError(f"there is a {target} already; move it away first") from error
