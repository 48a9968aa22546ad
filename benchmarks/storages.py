"""Uploads and delivery from a bucket beside those from a disk: `python -m benchmarks.storages`.

Real processes on this machine, SeaweedFS too, which takes its share of the processors. Four clients at once.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import drawn
from tests.backing import S3Backing
from tests.served import serving
from tests.servers import running_seaweedfs

CLIENTS = 4
UPLOADS = 60
VIEWS = 600
PICTURE = drawn.encoded(drawn.noise(300, 300), "JPEG")


def rate(work: Callable[[int], object], times: int) -> float:
    """How often a second *work* was done."""
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(times)))
    return times / (time.monotonic() - began)


def measured(folder: Path, environ: Mapping[str, str]) -> tuple[float, float, float]:
    """Uploads a second; views a second of the original; those that were not modified."""
    folder.mkdir()
    with serving(folder, **environ) as served:
        image = served.upload(PICTURE, "warm.jpg")
        uploads = rate(lambda number: served.upload(PICTURE, f"{number}.jpg"), UPLOADS)
        views = rate(lambda _: served.get(image["url"]), VIEWS)
        path = "/" + image["url"].split("/", 3)[3]
        unchanged = rate(lambda _: served.request("GET", path, b"", **{"If-None-Match": f'"{image["md5"]}"'}), VIEWS)
        return uploads, views, unchanged


def main() -> None:
    with tempfile.TemporaryDirectory() as name, running_seaweedfs(Path(name)) as seaweedfs:
        print(f"JPEG of {len(PICTURE):,} bytes, {CLIENTS} clients, by second", file=sys.stderr)
        print(f"{'':16}{'uploads':>9}{'views':>9}{'304':>9}")
        proxy, redirect = (S3Backing.new(seaweedfs, delivery=delivery).environ() for delivery in ("proxy", "redirect"))
        disk: Mapping[str, str] = dict[str, str]()
        for place, environ in (("disk", disk), ("s3 proxy", proxy), ("s3 redirect", redirect)):
            uploads, views, unchanged = measured(Path(name) / place.replace(" ", "-"), environ)
            print(f"{place:16}{uploads:9.0f}{views:9.0f}{unchanged:9.0f}")


if __name__ == "__main__":
    main()
