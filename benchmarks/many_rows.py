"""The catalog with many rows: what an upload, a lookup and a page of the administration cost must not grow.

Rows are put in by SQL, in the order in which they would have come; every thousandth has the hashes of its real id and
keys, so that lookups go all over the table.
"""

import os
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection

from imges.catalog import GUEST, Catalog, NewImage, StoredFile, open_catalog, utc_now

REAL = 1000
"""Every so manieth row can be looked up."""
UPLOADS = 300
BATCH = 200_000
"""Rows of one transaction while the table is filled."""

FILL = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) ",
    "postgresql": "WITH n(i) AS (SELECT generate_series({first}, {last})) ",
}
RANDOM = {"sqlite": "randomblob(16)", "postgresql": "uuid_send(gen_random_uuid())"}
FALSE = {"sqlite": "0", "postgresql": "false"}
TEXT = {"sqlite": "CAST(i AS TEXT)", "postgresql": "i::text"}


def new_image(name: str, when: datetime) -> NewImage:
    def stored(suffix: str, size: int) -> StoredFile:
        return StoredFile(f"2026/01/01/{name}{suffix}.png", size, os.urandom(16).hex(), 1920, 1080, 8, None)

    return NewImage(
        id=name,
        place="disk",
        extension="png",
        media_type="image/png",
        created=when,
        original_filename=f"{name}.png",
        original=stored("", 400_000),
        thumb=stored(".th", 20_000),
        medium=stored(".md", 90_000),
        medium_key=f"2026/01/01/{name}.md.png",
        frames=1,
        api_key=GUEST,
        address="192.0.2.1",
        delete_token_hash=os.urandom(32),
    )


def _fill(connection: Connection, first: int, last: int) -> None:
    """Rows *first* to *last* as published pictures, with random hashes."""
    dialect = connection.dialect.name
    numbers, blob, text = FILL[dialect].format(first=first, last=last), RANDOM[dialect], TEXT[dialect]
    file = "{0}_size, {0}_md5, {0}_width, {0}_height, {0}_bits"
    columns = ", ".join(file.format(kind) for kind in ("original", "thumb", "medium"))
    values = ", ".join([f"400000, {blob}, 1920, 1080, 8"] * 3)
    connection.exec_driver_sql(
        f"INSERT INTO images (number, id, state, place, extension, media_type, created, original_filename,"
        f" original_key, thumb_key, medium_key, {columns}, stored_bytes, frames, views, api_key, delete_token_hash,"
        f" tags, nsfw) {numbers}"
        f"SELECT i, 'fill-' || {text}, 'published', 'disk', 'png', 'image/png', 1700000000000000 + i, 'p.png',"
        f" 'fill/' || {text} || '.png', 'fill/' || {text} || '.th.png', 'fill/' || {text} || '.md.png', {values},"
        f" 1200000, 1, 0, 'filler', {blob}, '[]', {FALSE[dialect]} FROM n"
    )
    for _ in range(4):
        connection.exec_driver_sql(f"INSERT INTO unique_keys (hash, image) {numbers}SELECT {blob}, i FROM n WHERE true")


async def fill(catalog: Catalog, rows: int) -> None:
    inner: Any = catalog
    database, hashes = inner._database, inner._hashes  # noqa: SLF001 - there is no other way to ten million rows

    def empty(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM images")

    await database.write(empty)
    for first in range(1, rows + 1, BATCH):
        last = min(rows, first + BATCH - 1)
        await database.write(partial(_fill, first=first, last=last))

    def make_real(connection: Connection) -> None:
        mark = "?" if connection.dialect.name == "sqlite" else "$1"
        second = "?" if mark == "?" else "$2"
        real = [
            (hashes.of(kind, text), number)
            for number in range(REAL, rows + 1, REAL)
            for kind, text in (("id", f"fill-{number}"), ("object key", f"fill/{number}.png"))
        ]
        for row in real:
            connection.exec_driver_sql(f"INSERT INTO unique_keys (hash, image) VALUES ({mark}, {second})", row)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(
                "SELECT setval(pg_get_serial_sequence('images', 'number'), (SELECT max(number) FROM images))"
            )

    await database.write(make_real)


async def _timed(count: int, work: Callable[[int], Awaitable[object]]) -> float:
    """The median of *count* runs, in milliseconds."""
    times: list[float] = []
    for number in range(count):
        began = time.perf_counter()
        await work(number)
        times.append(1000 * (time.perf_counter() - began))
    return median(times)


async def measured(url: str, rows: int) -> dict[str, float]:
    """Milliseconds of each call, with *rows* pictures in the catalog at *url*, which is filled for it."""
    async with open_catalog(url) as catalog:
        await catalog.ensure_guest(os.urandom(32), None)
        await fill(catalog, rows)
        lease = await catalog.take_lease(timedelta(minutes=10))
        chance = random.Random(rows)
        now = utc_now()

        async def upload(number: int) -> None:
            image = await catalog.reserve(new_image(f"new-{rows}-{number}", now), lease=lease)
            await catalog.publish(image.number, lease=lease)

        async def by_key(_: int) -> None:
            await catalog.by_key(f"fill/{chance.randrange(1, rows // REAL + 1) * REAL}.png", now)

        async def page(_: int) -> None:
            await anext(catalog.published(api_key=GUEST))

        async def sweep(_: int) -> None:
            await catalog.claim_abandoned(lease=lease, now=now, limit=100)
            await catalog.expire(now, limit=100)
            await catalog.deleting(limit=100)

        return {
            "upload (reserve and publish)": await _timed(UPLOADS, upload),
            "lookup of an address": await _timed(UPLOADS, by_key),
            "a page of 500 rows": await _timed(20, page),
            "a sweep that finds nothing": await _timed(20, sweep),
        }


def sqlite_url(folder: Path, rows: int) -> str:
    """Of a file that is made anew."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"catalog-{rows}.db"
    for file in folder.glob(f"{path.name}*"):
        file.unlink()
    return f"sqlite:///{path.absolute()}"
