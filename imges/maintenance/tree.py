"""A tree of date folders, as Chevereto and others leave it: which of its files are originals."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from stat import S_ISREG

from imges.maintenance.old_keys import OldKey
from imges.storage import InvalidKey, checked_key

SILENT = {"pictures.jsonl", "index.html", "index.php", ".htaccess", ".gitkeep", ".DS_Store", "Thumbs.db", ".staging"}
"""Files of such trees that are passed over without a word."""


class NoFile(OSError):
    """A pipe, a socket, a device or a folder stands where a file should."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is no file", str(path))


@dataclass(frozen=True, slots=True)
class OldFile:
    """An original at *path*, to be stored under its *name*'s key."""

    path: Path
    name: OldKey


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is not imported; *shown* is its path, safe to print."""

    shown: str
    reason: str


def images_folder(folder: Path) -> Path:
    """Returns *folder*, or its `images` if the folders of years are in there."""
    has_years = any(child.is_dir() and child.name.isdecimal() for child in folder.iterdir())
    inner = folder / "images"
    return inner if not has_years and inner.is_dir() else folder


def opened(path: Path) -> BufferedReader:
    """Opens the file *path* for reading. Does not wait for the other end of a pipe.

    Raises `NoFile` if it is no file, and `OSError` if it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise NoFile(path)


def walk(folder: Path, also: frozenset[str] = frozenset()) -> Iterator[OldFile | Refused]:
    """Yields the originals below *folder* in the order of their names, and what is refused. Links are not followed.

    Originals lie in the folders of days, and in the folders *also*. The names of one folder are in memory at a time,
    and those of the folders that are still to be walked.

    Raises `OSError` if a folder cannot be read.
    """
    waiting = [""]
    while waiting:
        above = waiting.pop()
        entries = _listed(folder / above)
        names = {entry.name for entry in entries}
        for entry in entries:
            path = above + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{path}/")
            elif found := _refused_kind(entry, path) or _judged(folder, path, above, names, also):
                yield found


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if entry.name not in SILENT), key=lambda entry: entry.name)


def _refused_kind(entry: os.DirEntry[str], path: str) -> Refused | None:
    if entry.is_symlink():
        return Refused(printable(path), "it is a link")
    return None if entry.is_file() else Refused(printable(path), "it is no file")


def _judged(folder: Path, path: str, above: str, names: set[str], also: frozenset[str]) -> OldFile | Refused | None:
    """Judges a file by its name. Returns `None` for the thumb or medium of an original beside it."""
    shown = printable(path)
    try:
        checked_key(path)
    except InvalidKey:
        return Refused(shown, "an address cannot have this name")
    name = OldKey.read(path) or (OldKey.anywhere(path) if above.rstrip("/") in also else None)
    if name is None:
        ending = OldKey.anywhere(path) is None
        return Refused(shown, "it is no picture by its name" if ending else "it is not in the folder of a day")
    if name.original is not None:
        if name.original.rpartition("/")[2] in names:
            return None
        return Refused(shown, "it is a thumb or medium without its picture")
    if not name.has_room:
        return Refused(shown, "its name is too long for a thumb beside it")
    return OldFile(folder / path, name)


def printable(path: str) -> str:
    """Returns *path*, escaped if it has characters that a terminal may obey."""
    return path if path.isprintable() else ascii(path)[1:-1]
