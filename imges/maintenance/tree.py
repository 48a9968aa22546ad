"""A folder of pictures in date folders, as Chevereto and others leave it: which of its files are originals."""

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
"""Names that such folders have, and that are worth no word."""


class NoFile(OSError):
    """A pipe, a socket, a device or a folder, where a file should be."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is no file", str(path))


@dataclass(frozen=True, slots=True)
class OldFile:
    """An original at *path*, to be stored under its *name*'s key."""

    path: Path
    name: OldKey


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is not taken; *shown* is its path, fit to be printed."""

    shown: str
    reason: str


def images_folder(folder: Path) -> Path:
    """*folder*, or the `images` in it where that has the years."""
    has_years = any(child.is_dir() and child.name.isdecimal() for child in folder.iterdir())
    inner = folder / "images"
    return inner if not has_years and inner.is_dir() else folder


def opened(path: Path) -> BufferedReader:
    """The file *path*, to be read; a pipe that somebody laid there does not hold us. Raises: NoFile, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise NoFile(path)


def walk(folder: Path, also: frozenset[str] = frozenset()) -> Iterator[OldFile | Refused]:
    """Every file below *folder*, by name; what is in memory is the names of one folder, and of those still to come.

    Of names that are not in the folder of a day those are taken whose folders are in *also*. Links are not followed.
    Raises: OSError.
    """
    waiting = [""]
    while waiting:
        above = waiting.pop()
        with os.scandir(folder / above) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
        names = {entry.name for entry in entries}
        for entry in entries:
            path = above + entry.name
            if entry.name in SILENT:
                continue
            if entry.is_symlink():
                yield Refused(printable(path), "it is a link")
            elif entry.is_dir():
                waiting.append(f"{path}/")
            elif not entry.is_file():
                yield Refused(printable(path), "it is no file")
            elif found := _judged(folder, path, above, names, also):
                yield found


def _judged(folder: Path, path: str, above: str, names: set[str], also: frozenset[str]) -> OldFile | Refused | None:
    """`None` for the thumb or medium of an original beside it."""
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
    """*path* in letters that do nothing to a terminal."""
    return path if path.isprintable() else ascii(path)[1:-1]
