"""What the machine can do: one bare loop of libvips a core, same pictures, same files, nothing else.

Run as a program: `bare_loops.py PROCESSES FOLDER JPEG WEBP PNG < PATHS` makes original, medium and thumb of every
picture in FOLDER. It prints as JSON the seconds from the first to the last, and the seconds of CPU. It checks, hashes,
syncs and remembers nothing, so its rate is the limit of any server.
"""

import json
import multiprocessing
import os
import resource
import shutil
import sys
import time
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, cast

MEDIUM, THUMB = 500, 160


def work(
    paths: list[str], folder: Path, suffixes: dict[str, str], taken: "Synchronized[int]", together: Barrier
) -> None:
    import pyvips

    vips = cast("Any", pyvips)
    vips.cache_set_max(0)
    vips.vips_lib.vips_concurrency_set(1)
    together.wait()
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value += 1
        if number >= len(paths):
            break
        one(vips.Image, paths[number], f"{folder}/{number}", suffixes)
    together.wait()


def one(image: Any, path: str, target: str, suffixes: dict[str, str]) -> None:
    """The three files of one picture; an animation's medium is animated."""
    extension = path.rpartition(".")[2]
    suffix = suffixes[extension]
    shutil.copyfile(path, f"{target}.{extension}")
    working = image.thumbnail(path, MEDIUM, height=10_000, size="down", fail_on="error").copy_memory()
    wide = image.new_from_file(path).width > MEDIUM
    if wide and extension == "gif":
        image.thumbnail(f"{path}[n=-1]", MEDIUM, height=10_000).write_to_file(f"{target}.md.{suffix}")
    elif wide:
        working.write_to_file(f"{target}.md.{suffix}")
    working.thumbnail_image(THUMB, height=THUMB, crop="centre").write_to_file(f"{target}.th.{suffix}")


def run(paths: list[str], processes: int, folder: Path, *, jpeg: int, webp: int, png: int) -> dict[str, float]:
    """Seconds of the clock and of CPU."""
    suffixes = {
        "jpg": f"jpg[Q={jpeg},keep=none]",
        "webp": f"webp[Q={webp},keep=none]",
        "png": f"png[compression={png},keep=none]",
        "gif": "gif[effort=1,dither=0,keep=none]",
    }
    context = multiprocessing.get_context("spawn")
    taken, together = context.Value("i", 0), context.Barrier(processes + 1)
    loops = [context.Process(target=work, args=(paths, folder, suffixes, taken, together)) for _ in range(processes)]
    for loop in loops:
        loop.start()
    together.wait()
    began = time.perf_counter()
    together.wait()
    ended = time.perf_counter()
    for loop in loops:
        loop.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"seconds": ended - began, "cpu": used.ru_utime + used.ru_stime}


if __name__ == "__main__":
    count, where, jpeg, webp, png = sys.argv[1:]
    os.environ["VIPS_CONCURRENCY"] = "1"
    given = sys.stdin.read().split("\n")
    print(json.dumps(run(given, int(count), Path(where), jpeg=int(jpeg), webp=int(webp), png=int(png))))
