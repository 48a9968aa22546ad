"""What the catalog costs an upload and a view: `python -m benchmarks.catalog [postgresql://…]`, beside SQLite.

The PostgreSQL is one that runs already, its database an empty one or a catalog of an earlier run.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from imges.catalog import Catalog, open_catalog
from tests.catalog.pictures import NOON, new_image

PICTURES = 400
HOUR = timedelta(hours=1)


async def uploads(catalog: Catalog, names: Iterator[str], lease: str, took: list[float]) -> None:
    for name in names:
        began = time.perf_counter()
        row = await catalog.images.reserve(new_image(name), lease=lease)
        await catalog.images.publish(row, lease=lease)
        took.append((time.perf_counter() - began) * 1000)


async def measure(label: str, url: str, at_once: int) -> None:
    """Print a row of the table."""
    async with open_catalog(url) as catalog:
        await catalog.keys.ensure_guest(b"hash of guest", None)
        lease = await catalog.leases.take(HOUR)
        run = secrets.token_hex(4)
        await uploads(catalog, iter([f"{run}-warm-{n}" for n in range(30)]), lease, [])
        names, took = iter([f"{run}-{n}" for n in range(PICTURES)]), list[float]()
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(uploads(catalog, names, lease, took) for _ in range(at_once)))
        seconds, cpu = time.perf_counter() - began, (time.process_time() - cpu) / PICTURES * 1000
        took.sort()
        looking, began = time.process_time(), time.perf_counter()
        for n in range(PICTURES):
            await catalog.published.by_key(new_image(f"{run}-{n}").original.key, NOON)
        looked = (time.perf_counter() - began) / PICTURES * 1000
        looking = (time.process_time() - looking) / PICTURES * 1000
        median, most = took[PICTURES // 2], took[PICTURES * 99 // 100]
        print(
            f"| {label}, {at_once} at once | {median:.1f} ms, 99 % within {most:.0f} ms | {PICTURES / seconds:.0f}/s "
            f"| {cpu:.1f} ms | {looked:.1f} ms, CPU {looking:.1f} ms |"
        )
        await catalog.leases.give_back(lease)


async def main(postgresql: list[str]) -> None:
    print("| catalog | reserve and publish | rate | CPU of the node | lookup of a picture |\n|---|---|---|---|---|")
    with TemporaryDirectory(dir=Path.cwd()) as folder:
        for label, url in (("SQLite", f"sqlite:///{folder}/imges.db"), *(("PostgreSQL", url) for url in postgresql)):
            for at_once in (1, 8):
                await measure(label, url, at_once)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
