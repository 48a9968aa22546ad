"""What a data folder contains, rows and files, seen from outside."""

import hashlib
import os
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from imges.storage import CHECK_PREFIX
from tests.served import IMGES

PLACES = {"disk": "images", "other": "other"}
"""Returns the storages of the settings, and their folders below the data folder."""

SETTINGS = """\
storages:
  other: {type: datefolder, root: data/other}
"""


def rows(folder: Path) -> list[tuple[int, str, str]]:
    """Returns number, state and place of each picture."""
    with closing(sqlite3.connect(folder / "data/imges.db", timeout=10)) as db:
        return db.execute("SELECT number, state, place FROM images ORDER BY number").fetchall()


def checkpoint(folder: Path) -> None:
    """Empties the log of the catalog, so that no commit of the next second brings a checkpoint, which may fail."""
    with closing(sqlite3.connect(folder / "data/imges.db", timeout=10)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def unsound(folder: Path) -> str:
    """Returns what is wrong with the pictures in *folder*: unpublished rows, missing, unknown or changed files.

    Returns nothing if every row has its files, byte for byte, in its place, and no other file is there.
    """
    with closing(sqlite3.connect(folder / "data/imges.db", timeout=10)) as db:
        states = Counter(state for (state,) in db.execute("SELECT state FROM images"))
        rows = db.execute(
            "SELECT place, key, md5 FROM images JOIN files ON image = number AND files.version = images.version"
        )
        expected = {(place, key): md5.hex() for place, key, md5 in rows}
    found = {
        (place, key): hashlib.md5(content).hexdigest()
        for place, home in PLACES.items()
        for key, content in files_of(folder / "data" / home).items()
    }
    wrong = [f"rows: {dict(states)}"] if set(states) - {"published"} else []
    wrong += [f"missing or other: {each}" for each in expected if found.get(each) != expected[each]]
    wrong += [f"too many: {each}" for each in found if each not in expected]
    wrong += [f"left: {left}" for left in spooled(folder)]
    return ", ".join(wrong)


def spooled(folder: Path) -> list[str]:
    """Returns files of running or ended uploads. Empty folders are kept for the next."""
    walk = os.walk(folder / "data/spool")
    return [f"{home}/{name}" for home, _, names in walk if Path(home).name.startswith("upload-") for name in names]


def files_of(home: Path) -> dict[str, bytes]:
    """Returns the objects below *home*, which another process may be deleting."""
    found: dict[str, bytes] = {}
    for folder, below, names in os.walk(home):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            file = Path(folder, name)
            if name.startswith(CHECK_PREFIX):  # a kill came during the check of a place
                continue
            with suppress(FileNotFoundError):
                found[str(file.relative_to(home))] = file.read_bytes()
    return found


def settled(folder: Path, seconds: float) -> str:
    """Returns what `unsound` still returns after at most so many seconds."""
    deadline = time.monotonic() + seconds
    while (wrong := unsound(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return wrong


def fsck(folder: Path) -> str:
    """Returns what `imges fsck` finds wrong; nothing if all is well."""
    found = subprocess.run([*IMGES, "fsck"], cwd=folder, capture_output=True, text=True, check=False)
    return "" if found.returncode == 0 else found.stdout[-1500:] + found.stderr[-500:]
