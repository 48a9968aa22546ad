"""A process of its own on a catalog: `python -m tests.catalog.process URL TASK`. The test reads its output."""
# ruff: noqa: T201 (its output is what the test reads)

import asyncio
import sys
from datetime import timedelta

from imges.catalog import Catalog, KeyTaken, open_catalog
from tests.catalog.pictures import new_image

HOUR = timedelta(hours=1)


async def main(url: str, task: str) -> None:
    async with open_catalog(url) as catalog:
        await TASKS[task](catalog)


async def fight_for_names(catalog: Catalog) -> None:
    """Reserve 40 names that another process reserves too, and print those that succeeded."""
    lease = await catalog.leases.take(HOUR)

    async def got(name: str) -> bool:
        try:
            row = await catalog.images.reserve(new_image(name), lease=lease)
        except KeyTaken:
            return False
        await catalog.images.publish(row, lease=lease)
        return True

    names = [f"picture-{i}" for i in range(40)]
    print(*[name for name, won in zip(names, await asyncio.gather(*map(got, names)), strict=True) if won])


async def upload_and_hang(catalog: Catalog) -> None:
    """Publish one picture, leave another pending, print "ready", and wait to be killed."""
    lease = await catalog.leases.take(timedelta(seconds=0.5))
    published = await catalog.images.reserve(new_image("published"), lease=lease)
    await catalog.images.publish(published, lease=lease)
    await catalog.images.reserve(new_image("pending"), lease=lease)
    print("ready", flush=True)
    await asyncio.sleep(60)


TASKS = {"fight": fight_for_names, "hang": upload_and_hang}

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
