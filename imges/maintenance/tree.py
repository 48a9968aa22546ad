"""A tree of date folders, as Chevereto and others leave it: which of its files are originals."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from stat import S_ISREG
from typing import Literal

from imges.maintenance.old_keys import OldKey
from imges.storage import InvalidKey, checked_key

SILENT = {
    "albums.jsonl",
    "pictures.jsonl",
    "index.html",
    "index.php",
    ".htaccess",
    ".gitkeep",
    ".DS_Store",
    "Thumbs.db",
    ".staging",
}
"""Files of such trees that are passed over without a word."""


NO_PICTURE = "it is no picture by its name"


class NoFile(OSError):
    """A pipe, a socket, a device or a folder stands where a file should."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is no file", str(path))


@dataclass(frozen=True, slots=True)
class OldFile:
    """An original at *path*; its *name* is the path below the folder that is imported.

    It is stored under *key*. `None`: under one that is made of its date and name.
    """

    path: Path
    name: str
    key: OldKey | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is not imported; *shown* is its path, safe to print."""

    shown: str
    reason: str


def inner_folder(folder: Path, inner: str = "images") -> Path:
    """Returns *folder*, or the folder *inner* in it unless *folder* has the folders of years itself."""
    has_years = any(child.is_dir() and child.name.isdecimal() for child in folder.iterdir())
    below = folder / inner
    return below if not has_years and below.is_dir() else folder


def opened(path: Path) -> BufferedReader:
    """Opens the file *path* for reading. Does not wait for the other end of a pipe.

    Raises `NoFile` if it is no file, and `OSError` if it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise NoFile(path)


Judge = Callable[[str, set[str]], "OldKey | Refused | Literal['new'] | None"]
"""Judges a file by its path and the names in its folder: the key that it keeps; a refusal; `new` if it gets a key that
is made of its date and name; `None` if it is passed over."""


def walk(folder: Path, judge: Judge) -> Iterator[OldFile | Refused]:
    """Yields the originals below *folder* in the order of their names, and what is refused. Links are not followed.

    The names of one folder are in memory at a time, and those of the folders that are still to be walked.

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
                continue
            judged = _refused_kind(entry, path) or _refused_name(path) or judge(path, names)
            if isinstance(judged, Refused):
                yield judged
            elif judged is not None:
                yield OldFile(folder / path, path, judged if isinstance(judged, OldKey) else None)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if entry.name not in SILENT), key=lambda entry: entry.name)


def _refused_kind(entry: os.DirEntry[str], path: str) -> Refused | None:
    if entry.is_symlink():
        return Refused(printable(path), "it is a link")
    return None if entry.is_file() else Refused(printable(path), "it is no file")


def _refused_name(path: str) -> Refused | None:
    try:
        checked_key(path)
    except InvalidKey:
        return Refused(printable(path), "an address cannot have this name")
    return None


def in_date_folders(also: frozenset[str] = frozenset()) -> Judge:
    """Returns the judge that takes files in the folders of days, and in the folders *also*, under their own keys."""

    def judge(path: str, names: set[str]) -> OldKey | Refused | None:
        above = path.rpartition("/")[0]
        key = OldKey.read(path) or (OldKey.anywhere(path) if above in also else None)
        if key is None and OldKey.anywhere(path):
            return Refused(printable(path), "it is not in the folder of a day")
        return _of_key(path, key, names)

    return judge


def everywhere(path: str, names: set[str]) -> "OldKey | Refused | Literal['new'] | None":
    """Takes files in the folders of days under their own keys, and all other pictures under new ones."""
    if OldKey.read(path):
        return _of_key(path, OldKey.read(path), names)
    return anew(path, names)


def anew(path: str, _: set[str]) -> "Refused | Literal['new']":
    """Takes all pictures under new keys."""
    return "new" if OldKey.anywhere(path) else Refused(printable(path), NO_PICTURE)


def _of_key(path: str, key: OldKey | None, names: set[str]) -> OldKey | Refused | None:
    """Judges a file that keeps its key. Returns `None` for the thumb or medium of an original beside it."""
    if key is None:
        return Refused(printable(path), NO_PICTURE)
    if key.original is not None:
        if key.original.rpartition("/")[2] in names:
            return None
        return Refused(printable(path), "it is a thumb or medium without its picture")
    return key if key.has_room else Refused(printable(path), "its name is too long for a thumb beside it")


def printable(path: str) -> str:
    """Returns *path*, escaped if it has characters that a terminal may obey."""
    return path if path.isprintable() else ascii(path)[1:-1]
