"""`python -m benchmarks.maintenance [OBJECTS [COMMAND]]`: time and memory of fsck and migrate over 100,000 objects.

A tenth of them is measured too, because memory must not grow with their number. The commands run as a user runs them,
on disk, with the catalog in SQLite. Peak memory is that of the command's own process: decoders do nothing in these
runs.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from benchmarks.servers import IMGES
from imges.catalog import NewImage, StoredFile, open_catalog, utc_now
from imges.catalog.reservation import take_in
from imges.catalog.unique_keys import KeyHashes

WORK = Path("build/benchmarks")
OBJECTS = 100_000
A_DAY = 1000
"""Pictures in one date folder."""
BATCH = 5000


@dataclass(frozen=True)
class Figure:
    """A command over *objects*: its time in *seconds*, the peak of its memory in *bytes*."""

    name: str
    objects: int
    seconds: float
    bytes: int


def main() -> None:
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else OBJECTS
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    WORK.mkdir(parents=True, exist_ok=True)
    figures = [figure for count in (objects // 10, objects) for figure in measured(count, only)]
    table = Table("command", "objects", "time", "a second", "for each", "peak memory", box=None)
    for figure in figures:
        rate, each = figure.objects / figure.seconds, 1e6 * figure.seconds / figure.objects
        memory = f"{figure.bytes / 2**20:.0f} MB"
        table.add_row(
            figure.name, f"{figure.objects:,}", f"{figure.seconds:.1f} s", f"{rate:,.0f}", f"{each:.0f} µs", memory
        )
    Console(width=110).print(table)


def measured(objects: int, only: str) -> list[Figure]:
    """The figures of the command *only* (`""`: of all) over so many objects, two to a picture."""
    with tempfile.TemporaryDirectory(dir=WORK) as name:
        folder = Path(name)
        (folder / "data/images/.staging").mkdir(parents=True)
        asyncio.run(fill((folder / "data").absolute(), objects // 2))
        command = partial(run, folder, objects)
        move = ("migrate", "--to", "other", "--parallel", "8")
        commands = [("fsck",), ("fsck", "--digests"), move]
        return [command(*one) for one in commands if one[0] == (only or one[0])]


def run(folder: Path, objects: int, *command: str) -> Figure:
    environ = {
        "DATA_DIR": folder / "data",
        "STORAGES__OTHER__TYPE": "datefolder",
        "STORAGES__OTHER__ROOT": folder / "other",
    }
    env = os.environ | {f"IMGES__{name}": str(value) for name, value in environ.items()}
    began = time.perf_counter()
    process = subprocess.Popen([IMGES, *command], env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Figure(" ".join(command), objects, seconds, usage.ru_maxrss * 1024)


async def fill(data_dir: Path, count: int) -> None:
    """A catalog of *count* pictures, and their originals and thumbs."""
    original, thumb = icon(48), icon(16)
    async with open_catalog(f"sqlite:///{data_dir}/imges.db") as catalog:
        hashes = KeyHashes(await catalog.secret("unique_keys", lambda: b""))
        numbers = iter(range(count))

        def batch(connection: Connection) -> int:
            pictures = list(islice(numbers, BATCH))
            for number in pictures:
                new = picture(number, original, thumb)
                write(data_dir / "images", new, original, thumb)
                take_in(connection, new, lease=None, views=0, short_id=None, hashes=hashes)
            return len(pictures)

        database = catalog._database  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (many rows to a transaction)
        while await database.write(batch):
            pass


def icon(side: int) -> bytes:
    file = BytesIO()
    Image.new("L", (side, side)).save(file, "PNG")
    return file.getvalue()


def picture(number: int, original: bytes, thumb: bytes) -> NewImage:
    stem = f"2014/{number // A_DAY // 28 % 12 + 1:02}/{number // A_DAY % 28 + 1:02}/picture-{number}"
    return NewImage(
        id=f"id{number}",
        place="disk",
        created=utc_now(),
        original_filename="picture.png",
        original=stored(f"{stem}.png", original, 48),
        thumb=stored(f"{stem}.th.png", thumb, 16),
        medium=None,
        medium_key=f"{stem}.md.png",
        api_key="guest",
        address=None,
        delete_token_hash=bytes(32),
    )


def stored(key: str, content: bytes, side: int) -> StoredFile:
    return StoredFile(key, "image/png", len(content), hashlib.md5(content).hexdigest(), side, side, 8, None)


def write(root: Path, new: NewImage, original: bytes, thumb: bytes) -> None:
    for file, content in ((new.original, original), (new.thumb, thumb)):
        path = root / file.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
