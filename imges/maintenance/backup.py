"""`backup` and `restore`: what is not a picture's file, in one archive: catalog, key of guests, settings.

The catalog is copied as of one moment while others read and write. It is the first half of a backup: the files are
copied after it, so that every row has its files; what came in between is an object without a row, and `fsck` takes it
in.
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
from imges.errors import ImgesError, SettingsError
from imges.maintenance.workroom import folder_beside

DATABASE, KEY_FILE, SETTINGS, ABOUT = "imges.db", "api.key", "settings.yaml", "about.json"
PRIVATE = 0o600
DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)
"""What the libraries say of an archive that is not whole."""


class NotABackup(ImgesError):
    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file} is not a backup of imges, or it is damaged ({reason.partition(chr(10))[0]})")


def back_up(file: Path, database: Path, *, key_file: Path, settings_file: Path | None, environment: list[str]) -> None:
    """Write all of it to the new *file*, for its owner's eyes alone, whole or not at all.

    *environment* names the variables that settings came from: their values are not in the archive. Blocking.
    Raises: SettingsError where *file* exists; CatalogUnavailable, CatalogFull, OSError.
    """
    if file.exists():
        raise SettingsError(f"{file} exists; name a new file, or move that one away")
    with folder_beside(file.absolute().parent, ".backup-") as folder:
        copy, part = folder / DATABASE, folder / "archive"
        copy_sqlite(database, copy)
        about = {"imges": __version__, "time": datetime.now(UTC).isoformat(), "environment": environment}
        (folder / ABOUT).write_text(json.dumps(about) + "\n")
        with _new_file(part) as opened:
            with tarfile.open(fileobj=opened, mode="w:gz", compresslevel=3) as archive:
                archive.add(folder / ABOUT, ABOUT)
                archive.add(copy, DATABASE)
                for path, name in ((key_file, KEY_FILE), (settings_file, SETTINGS)):
                    if path is not None and path.is_file():
                        archive.add(path.resolve(), name)
            os.fsync(opened.fileno())
        os.link(part, file)  # which never overwrites
    _sync(file.absolute().parent)


def _new_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE), "wb")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Backup:
    """An opened archive; what of it is there lies in a *folder* of its own."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.about = about
        self.database = folder / DATABASE
        self.settings = self._there(folder / SETTINGS)
        self.key_file = self._there(folder / KEY_FILE)

    def _there(self, path: Path) -> Path | None:
        return path if path.is_file() else None


@contextmanager
def opened(file: Path, beside: Path) -> Generator[Backup]:
    """The backup in *file*, unpacked into a folder in *beside* that is gone at the end. Blocking.

    Raises: NotABackup, OSError.
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
                while whole.read(2**20):  # to the end, where its checksum stands
                    pass
            about = json.loads((folder / ABOUT).read_text())
        except (*DAMAGED, ValueError, FileNotFoundError) as error:
            raise NotABackup(file, str(error)) from error
        if not (folder / DATABASE).is_file():
            raise NotABackup(file, "there is no catalog in it")
        yield Backup(folder, about)


def read_settings(file: Path) -> bytes | None:
    """The settings file in the backup; `None` where there was none. Blocking. Raises: NotABackup, OSError."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            if SETTINGS not in archive.getnames():
                return None
            source = archive.extractfile(SETTINGS)
            return source.read() if source else None
    except DAMAGED as error:
        raise NotABackup(file, str(error)) from error


def put_in_place(source: Path, target: Path) -> None:
    """*source* under the name *target*, durably; it never overwrites. Both are on one disk. Raises: SettingsError."""
    try:
        os.link(source, target)
    except FileExistsError as error:
        raise SettingsError(f"there is a {target} already; move it away first") from error
    with target.open("rb") as file:
        os.fsync(file.fileno())
    _sync(target.absolute().parent)
