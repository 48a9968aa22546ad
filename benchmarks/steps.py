"""What an upload costs, step by step: milliseconds of CPU, each step alone and by itself, the mean over the mix.

As a program it prints them as JSON. It needs a process of its own, because it restricts libvips.
"""

import asyncio
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from benchmarks import corpus, many_rows
from imges.catalog import open_catalog, utc_now
from imges.imaging import Quality, Recipe, formats, header, sizes
from imges.imaging.vips import VipsProcessor
from imges.receiving.spool import Spool, spool_chunks
from imges.storage import NewObject, open_storage

TIMES = 3
ROUNDS = 150
RECIPE, QUALITY = Recipe(), Quality()


def cpu(work: Callable[[], object]) -> float:
    work()
    began = time.process_time()
    for _ in range(TIMES):
        work()
    return 1000 * (time.process_time() - began) / TIMES


async def cpu_of(work: Callable[[int], Awaitable[object]]) -> float:
    began = time.process_time()
    for number in range(ROUNDS):
        await work(number)
    return 1000 * (time.process_time() - began) / ROUNDS


def of_pictures(pictures: list[corpus.Picture]) -> dict[str, float]:
    """The steps that depend on the picture."""
    processor, allowed = VipsProcessor(), frozenset(["jpg", "png", "webp"])
    sums: defaultdict[str, float] = defaultdict(float)
    each: dict[Path, dict[str, float]] = {}
    for picture in pictures:
        if picture.path not in each:
            each[picture.path] = _of_one(processor, allowed, picture.path)
        for step, taken in each[picture.path].items():
            sums[step] += taken / len(pictures)
    return dict(sums)


def _of_one(processor: VipsProcessor, allowed: frozenset[str], path: Path) -> dict[str, float]:
    content, found = path.read_bytes(), header.inspect(path, allowed)
    medium = sizes.medium_size(found.displayed, RECIPE.medium)
    working = sizes.working_size(found.displayed, RECIPE.thumb, medium)
    picture = processor.decode(path, found, working)
    return {
        "hash": cpu(lambda: hashlib.md5(content, usedforsecurity=False)),
        "inspect": cpu(lambda: header.inspect(path, allowed)),
        "strip": cpu(lambda: formats.strip(content, found)),
        "decode and shrink": cpu(lambda: processor.decode(path, found, working)),
        "encode medium": cpu(lambda: picture.encode(found, QUALITY)) if medium else 0.0,
        "thumb": cpu(lambda: picture.covering(RECIPE.thumb).encode(found, QUALITY)),
    }


async def of_rows(folder: Path) -> dict[str, float]:
    """The steps that are the same for all: catalog, storage of three objects, spool."""
    storage = await open_storage("disk", {"type": "datefolder", "root": str(folder / "images")})
    async with (
        Spool(folder / "spool").prepared() as spool,
        open_catalog(f"sqlite:///{folder / 'imges.db'}") as rows,
    ):
        await rows.keys.ensure_guest(os.urandom(32), None)
        lease = await rows.leases.take(timedelta(minutes=5))

        async def reserve_and_publish(number: int) -> None:
            image = await rows.images.reserve(many_rows.new_image(f"step-{number}", utc_now()), lease=lease)
            await rows.images.publish(image, lease=lease)

        async def put(number: int) -> None:
            objects: list[NewObject] = []
            for kind in (".th", ".md", ""):
                file = folder / f"put-{number}{kind}"
                file.write_bytes(b"x" * 20_000)
                objects.append(NewObject(f"2026/01/01/{number}{kind}.png", file, "image/png"))
            await storage.put_all(objects, [])

        async def receive(_: int) -> None:
            async with spool.open() as place:
                await spool_chunks(_chunks(), place / "field", 10**9)

        found = {"catalog": await cpu_of(reserve_and_publish), "storage": await cpu_of(put)}
        found["spool"] = await cpu_of(receive)
    await storage.close()
    return found


async def _chunks() -> AsyncIterator[bytes]:
    yield b"x" * 1000


def main() -> None:
    pictures = corpus.mixed(corpus.made(Path(sys.argv[1])), 1, {k: n for k, n in corpus.MIX.items() if k != "gif"})
    folder = Path(tempfile.mkdtemp(dir=sys.argv[1])).absolute()
    try:
        print(json.dumps({**asyncio.run(of_rows(folder)), **of_pictures(pictures)}))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
