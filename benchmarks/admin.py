"""`python -m benchmarks.admin [--copies 249] [--postgresql]`: how fast the owner's pages are with a million pictures.

Four thousand pictures are made, and their rows are copied in the database. No picture has files.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlencode

from sqlalchemy import BigInteger, Connection, insert, literal, select, text, type_coerce

from benchmarks.servers import IMGES, Server, free_port, running
from imges.access.api_keys import KeyRing
from imges.catalog import Catalog, NewImage, Scope, StoredFile, open_catalog
from imges.catalog.database import Database
from imges.catalog.rows import FIRST_VERSION, columns_of, file_rows
from imges.catalog.tables import files, images
from tests.servers import running_postgres

FIRST = 4000
BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=1)
REPEATS = 7

SEARCHES = {
    "newest": "",
    "a name that many have": "q=IMG_",
    "a name that one in 500 has": "q=holiday",
    "a name that nobody has": "q=needle",
    "a key with half of all": "key=laptop",
    "a key with few": "key=rare",
    "a key and a name that nobody has": "key=laptop&q=needle",
    "an address": "address=192.0.2.70",
    "a network": "address=192.0.2.0/24",
    "a wide network": "address=0.0.0.0/1",
    "a digest": f"digest={7:032x}",
    "large ones": "least=19+MB",
    "a range of sizes": "least=1+MB&most=2+MB",
    "a day long ago": "from=2020-01-02&to=2020-01-02",
    "half way down": f"older={int((BEGAN + 300_000 * STEP).timestamp())}000000~9",
}


def first(number: int) -> NewImage:
    chance = random.Random(number)
    name = f"holiday-{number}.jpg" if number % 500 == 0 else f"IMG_{number}.jpg"
    keys = [f"2014/06/04/{number}{kind}.jpg" for kind in ("", ".th", ".md")]
    size = chance.randrange(10**4, 4 * 10**6) if number % 100 else 19 * 2**20 + number
    original, thumb, medium = (StoredFile(key, "image/jpeg", size, f"{number:032x}", 4000, 3000, 8, 3) for key in keys)
    return NewImage(
        id=f"{number}",
        place="s3" if number % 4 == 0 else "disk",
        created=BEGAN + number * STEP,
        original_filename=name,
        original=original,
        thumb=thumb,
        medium=medium,
        medium_key=keys[2],
        api_key="rare" if number == 500 else ("laptop" if number % 2 else "guest"),
        address=f"192.0.2.{number % 100}" if number % 10 == 0 else str(chance.randrange(256)) + ".7.8.9",
        delete_token_hash=bytes(32),
    )


def insert_first(connection: Connection) -> None:
    """Insert the first pictures, with the numbers from 1 on."""
    pictures = [(number + 1, first(number)) for number in range(FIRST)]
    connection.execute(insert(images), [{"number": number} | columns_of(new, None) for number, new in pictures])
    connection.execute(
        insert(files), [row for number, new in pictures for row in file_rows(new, number, FIRST_VERSION)]
    )


def copy(connection: Connection, turn: int) -> None:
    """Insert the first rows once more, as if they had been uploaded again after all others."""
    later = turn * FIRST * (STEP // timedelta(microseconds=1))
    changed = {
        "number": images.c.number + turn * FIRST,
        "id": images.c.id + literal(f"-{turn}"),
        "created": type_coerce(images.c.created, BigInteger) + later,
        "search": images.c.search + literal(f" {turn}"),
    }
    rows = select(*[changed.get(column.name, column) for column in images.c]).where(images.c.number <= FIRST)
    connection.execute(insert(images).from_select([column.name for column in images.c], rows))
    moved = {"image": files.c.image + turn * FIRST}
    copies = select(*[moved.get(column.name, column) for column in files.c]).where(files.c.image <= FIRST)
    connection.execute(insert(files).from_select([column.name for column in files.c], copies))


async def fill(url: str, copies: int) -> str:
    """Make the rows, and return the text of a key that may administer."""
    async with open_catalog(url) as catalog:
        key = await (await KeyRing.open(catalog)).add("owner", Scope.ADMIN)
        database = _database_of(catalog)
        await database.write(insert_first)
        for turn in range(1, copies + 1):
            await database.write(partial(copy, turn=turn))
        await database.write(lambda connection: connection.execute(text("ANALYZE")))
    return key


def _database_of(catalog: Catalog) -> Database:
    """The database below the catalog, to make rows in it directly."""
    return catalog._database  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


@contextmanager
def serving(folder: Path, url: str) -> Generator[Server]:
    port = free_port()
    environ = {
        "IMGES__DATA_DIR": str(folder / "data"),
        "IMGES__SERVER__PORT": str(port),
        "IMGES__CATALOG__URL": url,
        "IMGES__STORAGES__S3": "{type: datefolder, root: " + str(folder / "other") + "}",
    }
    with running([str(IMGES), "serve"], port, folder, "/healthz", environ) as server:
        yield server


class Owner:
    def __init__(self, server: Server, key: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/admin/sign-in", urlencode({"key": key}), form)
        answer = self._connection.getresponse()
        answer.read()
        self._cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def get(self, path: str) -> tuple[float, int]:
        """Seconds until the whole page is here, and how many pictures it shows."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"Cookie": self._cookie})
        answer = self._connection.getresponse()
        page = answer.read()
        seconds = time.perf_counter() - began
        assert answer.status == 200, page[-2000:]
        return seconds, page.count(b'class="pick"')


def measure(server: Server, key: str) -> None:
    owner = Owner(server, key)
    for name, query in SEARCHES.items():
        times = [owner.get(f"/admin?{quote(query, safe='=&+~%')}") for _ in range(REPEATS)]
        seconds = sorted(taken for taken, _ in times)
        print(f"{median(seconds) * 1000:8.1f} ms {seconds[-1] * 1000:8.1f} ms at most {times[0][1]:4} shown  {name}")
    for path in ("/admin/overview", "/admin/overview", "/admin/keys", "/admin/blocks"):
        print(f"{owner.get(path)[0] * 1000:8.1f} ms {path}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin")
    parser.add_argument("--copies", type=int, default=249)
    parser.add_argument("--postgresql", action="store_true")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "data").mkdir()
        if chosen.postgresql:
            url = stack.enter_context(running_postgres()).new_database()
        else:
            url = f"sqlite:///{folder / 'data/imges.db'}"
        began = time.perf_counter()
        key = asyncio.run(fill(url, chosen.copies))
        print(f"{FIRST * (1 + chosen.copies):,} pictures, made in {time.perf_counter() - began:.0f} s")
        measure(stack.enter_context(serving(folder, url)), key)


if __name__ == "__main__":
    main()
