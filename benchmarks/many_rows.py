"""The catalog with many rows: what an upload, a lookup and a page of the administration cost must not grow.

SQL inserts the rows in the order of uploads, and the hashes in their own order. Indexes are made afterwards. So ten
million rows take minutes. Every thousandth row has the hashes of its real id and keys, so that lookups go all over the
table. Then catalogs of all sizes take turns, call by call.
"""

import os
import random
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, Index

from imges.catalog import GUEST, Catalog, NewImage, StoredFile, open_catalog, utc_now
from imges.catalog.tables import images, unique_keys
from imges.catalog.types import Search

REAL = 1000
"""One row in so many can be looked up."""
BATCH = 200_000
"""Rows of one transaction while the table is filled."""
SLICES = 256
"""Hashes are put in by their first byte."""
NEEDED = 2048
"""Bytes on the disk that a row takes at most while the table is filled, with its indexes."""
LONGEST = 900.0
"""Seconds that filling one catalog may take."""

CALLS = {
    "upload (reserve and publish)": 600,
    "lookup of an address": 600,
    "a page of 500 rows": 30,
    "the administration's first page": 30,
    "a sweep that finds nothing": 30,
}
"""What is measured, and how often."""

Call = Callable[[int], Awaitable[object]]

FILL = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) ",
    "postgresql": "WITH n(i) AS (SELECT generate_series({first}, {last})) ",
}
RANDOM = {"sqlite": "randomblob(16)", "postgresql": "uuid_send(gen_random_uuid())"}
FALSE = {"sqlite": "0", "postgresql": "false"}
TEXT = {"sqlite": "CAST(i AS TEXT)", "postgresql": "i::text"}


def new_image(name: str, when: datetime) -> NewImage:
    def stored(suffix: str, size: int) -> StoredFile:
        return StoredFile(
            f"2026/01/01/{name}{suffix}.png", "image/png", size, os.urandom(16).hex(), 1920, 1080, 8, None
        )

    return NewImage(
        id=name,
        place="disk",
        created=when,
        original_filename=f"{name}.png",
        original=stored("", 400_000),
        thumb=stored(".th", 20_000),
        medium=stored(".md", 90_000),
        medium_key=f"2026/01/01/{name}.md.png",
        api_key=GUEST,
        address="192.0.2.1",
        delete_token_hash=os.urandom(32),
    )


def _fill(connection: Connection, first: int, last: int) -> None:
    """Rows *first* to *last* as published pictures, with random hashes."""
    dialect = connection.dialect.name
    numbers, blob, text = FILL[dialect].format(first=first, last=last), RANDOM[dialect], TEXT[dialect]
    connection.exec_driver_sql(
        f"INSERT INTO images (number, id, state, place, created, original_filename, original_size, original_md5,"
        f" stored_bytes, views, api_key, delete_token_hash, tags, nsfw) {numbers}"
        f"SELECT i, 'fill-' || {text}, 'published', 'disk', 1700000000000000 + i, 'p.png', 400000, {blob},"
        f" 1200000, 0, 'filler', {blob}, '[]', {FALSE[dialect]} FROM n"
    )
    roles = "(SELECT 'medium' AS role, '.md' AS mark UNION ALL SELECT 'original', '' UNION ALL SELECT 'thumb', '.th')"
    connection.exec_driver_sql(
        f"INSERT INTO files (image, version, role, extension, key, media_type, size, md5, width, height, bits, frames)"
        f" {numbers}SELECT i, 1, role, 'png', 'fill/' || {text} || mark || '.png', 'image/png', 400000, {blob},"
        f" 1920, 1080, 8, 1 FROM n CROSS JOIN {roles} AS roles"
    )


def _fill_keys(connection: Connection, slice_: int, first: int, last: int) -> None:
    """Make four keys for each of these rows. All their hashes begin with the byte *slice_*."""
    dialect = connection.dialect.name
    numbers, blob = FILL[dialect].format(first=4 * first, last=4 * last + 3), RANDOM[dialect]
    byte = f"x'{slice_:02x}'" if dialect == "sqlite" else f"'\\x{slice_:02x}'::bytea"
    hashed = f"CAST({byte} || {blob} AS BLOB)" if dialect == "sqlite" else f"{byte} || {blob}"
    connection.exec_driver_sql(
        f"INSERT INTO unique_keys (hash, image) {numbers}SELECT {hashed} AS hash, i / 4 FROM n WHERE true ORDER BY hash"
    )


def _indexes() -> list[Index]:
    return [index for table in (images, unique_keys) for index in table.indexes]


def _empty(connection: Connection) -> None:
    connection.exec_driver_sql("DELETE FROM images")
    for index in _indexes():
        index.drop(connection)


async def fill(catalog: Catalog, rows: int, report: Callable[[str], None]) -> None:
    """Fill *catalog*, and call *report* with the progress. Raises `TimeoutError` if it takes too long."""
    inner: Any = catalog
    database, hashes = inner._database, inner.images._hashes  # noqa: SLF001 - there is no other way to ten million rows
    until = time.monotonic() + LONGEST
    for step, work in _steps(rows, hashes):
        report(f"{rows:,} rows: {step}")
        if time.monotonic() > until:
            raise TimeoutError(f"{rows:,} rows take longer than {LONGEST / 60:.0f} minutes")
        async with database.long_transaction() as run:
            await run(partial(_without_checks, work=work))


def _steps(rows: int, hashes: Any) -> Iterator[tuple[str, Callable[[Connection], object]]]:
    """What fills a catalog, each step in a transaction of its own."""
    yield "empty", _empty
    for first in range(1, rows + 1, BATCH):
        yield f"row {first:,}", partial(_fill, first=first, last=min(rows, first + BATCH - 1))
    edges = [1 + rows * number // SLICES for number in range(SLICES + 1)]
    for slice_, (first, after) in enumerate(pairwise(edges)):
        if after > first:
            yield f"keys of row {first:,}", partial(_fill_keys, slice_=slice_, first=first, last=after - 1)
    for index in _indexes():
        yield f"index {index.name}", index.create
    yield "real keys", partial(_make_real, rows=rows, hashes=hashes)


def _without_checks(connection: Connection, work: Callable[[Connection], object]) -> None:
    """Do *work* without checks of foreign keys: PostgreSQL would run a trigger for each row."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
    work(connection)


def _make_real(connection: Connection, rows: int, hashes: Any) -> None:
    """Write the hashes of every thousandth row's id and key, and bring sequences and statistics up to date."""
    numbers = range(REAL, rows + 1, REAL)
    real = [(hashes.of("id", f"fill-{number}"), number) for number in numbers]
    real += [(hashes.of("object key", f"fill/{number}.png"), number) for number in numbers]
    for hash_, image in real:
        connection.execute(unique_keys.insert().values(hash=hash_, image=image))
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "SELECT setval(pg_get_serial_sequence('images', 'number'), (SELECT max(number) FROM images))"
        )
        connection.exec_driver_sql("ANALYZE")


async def compared(urls: dict[int, str], report: Callable[[str], None]) -> dict[str, dict[int, float]]:
    """Milliseconds of each call by how many rows there are, in catalogs at *urls*, which are filled for it."""
    for rows, url in urls.items():
        async with open_catalog(url) as catalog:
            await catalog.keys.ensure_guest(os.urandom(32), None)
            await fill(catalog, rows, report)
    report("calls")
    async with AsyncExitStack() as stack:
        all_calls = {
            rows: await _calls(await stack.enter_async_context(open_catalog(url)), rows) for rows, url in urls.items()
        }
        return {
            name: await _taking_turns(count, {rows: calls[name] for rows, calls in all_calls.items()})
            for name, count in CALLS.items()
        }


async def _taking_turns(count: int, calls: dict[int, Call]) -> dict[int, float]:
    """The median of *count* runs of each, in milliseconds; the first tenth only warms up."""
    times: dict[int, list[float]] = {rows: [] for rows in calls}
    for number in range(count):
        for rows, call in calls.items():
            began = time.perf_counter()
            await call(number)
            times[rows].append(1000 * (time.perf_counter() - began))
    return {rows: median(taken[count // 10 :]) for rows, taken in times.items()}


async def _calls(catalog: Catalog, rows: int) -> dict[str, Call]:
    """What is measured of a *catalog* with so many *rows*."""
    lease = await catalog.leases.take(timedelta(minutes=10))
    chance = random.Random(rows)
    now = utc_now()

    async def upload(number: int) -> None:
        image = await catalog.images.reserve(new_image(f"new-{rows}-{number}", now), lease=lease)
        await catalog.images.publish(image, lease=lease)

    async def by_key(_: int) -> None:
        await catalog.published.by_key(f"fill/{chance.randrange(1, rows // REAL + 1) * REAL}.png", now)

    async def page(_: int) -> None:
        await anext(catalog.published.each(api_key=GUEST))

    async def search(_: int) -> None:
        await catalog.search.page(Search(), limit=50)

    async def sweep(_: int) -> None:
        await catalog.images.abandoned(now=now, limit=100)
        await catalog.deletions.begin_expired(now, limit=100)
        await catalog.deletions.begun(limit=100)

    return dict(zip(CALLS, (upload, by_key, page, search, sweep), strict=True))


def has_room(folder: Path, rows: int) -> bool:
    """Whether the disk of *folder* has room for a catalog of so many *rows*."""
    return shutil.disk_usage(folder).free > rows * NEEDED


def sqlite_url(folder: Path, rows: int) -> str:
    """Returns the URL of a new file. Deletes an older one."""
    folder.mkdir(parents=True, exist_ok=True)
    remove(folder, rows)
    return f"sqlite:///{_file(folder, rows).absolute()}"


def remove(folder: Path, rows: int) -> None:
    """Delete the file, which has eight gigabytes for ten million rows."""
    for file in folder.glob(f"{_file(folder, rows).name}*"):
        file.unlink()


def _file(folder: Path, rows: int) -> Path:
    return folder / f"catalog-{rows}.db"
