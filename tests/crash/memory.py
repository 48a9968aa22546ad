"""The memory of all processes while 16 clients send the largest allowed pictures: `make memory`.

At the default limits, by `python -m tests.crash.memory [SECONDS]`. The pictures are made once and kept in build/.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click
import pyvips
from PIL import Image

from tests import drawn
from tests.crash.fuzz import sent
from tests.crash.tree import ALLOWED, fell_to, megabytes, pss, watched
from tests.served import serving

KEPT = Path("build/largest")
CLIENTS = 16
SIDES = (7300, 5479)
"""A little less than 40 megapixels."""
FRAMES, FRAME = 500, (632, 632)
"""200 megapixels over all frames."""
REST = 60.0
"""Seconds within which the memory must be near its former value."""
NEAR = 1.25
"""Factor above the former value."""


def _photograph() -> Image.Image:
    """A rough surface, so that the file has some megabytes."""
    return drawn.noise(SIDES[0] // 8, SIDES[1] // 8).resize(SIDES, Image.Resampling.BICUBIC)


def _frames() -> list[Image.Image]:
    """Few colours, so that the file is not too large."""
    base = drawn.gradient(*FRAME).quantize(4)
    return [base.rotate(number) for number in range(FRAMES)]


def _deep_png(*, interlaced: bool) -> bytes:
    picture = pyvips.Image.black(*SIDES, bands=4).cast("ushort").linear([1], [9, 99, 999, 60000]).cast("ushort")
    return picture.copy(interpretation="rgb16").pngsave_buffer(interlace=interlaced, compression=1)


MAKERS: dict[str, Callable[[], bytes]] = {
    "jpg": lambda: drawn.encoded(_photograph(), "JPEG", quality=85),
    "progressive jpg, CMYK": lambda: drawn.encoded(_photograph().convert("CMYK"), "JPEG", quality=70, progressive=True),
    "png": lambda: drawn.encoded(drawn.gradient(*SIDES), "PNG", compress_level=1),
    "png, 16 bits": lambda: _deep_png(interlaced=False),
    "interlaced png, 16 bits": lambda: _deep_png(interlaced=True),
    "gif": lambda: drawn.encoded(drawn.gradient(*SIDES, mode="P"), "GIF"),
    "animated gif": lambda: drawn.encoded(
        (frames := _frames())[0], "GIF", save_all=True, append_images=frames[1:], duration=40, loop=0
    ),
    "webp": lambda: drawn.encoded(_photograph(), "WEBP", quality=60, method=0),
    "lossless webp": lambda: drawn.encoded(drawn.gradient(*SIDES), "WEBP", lossless=True, quality=0, method=0),
    "animated webp": lambda: drawn.encoded(
        (frames := _frames())[0], "WEBP", save_all=True, append_images=frames[1:], duration=40, quality=50, method=0
    ),
    "avif": lambda: drawn.encoded(_photograph(), "AVIF", quality=40, speed=10),
}


def largest() -> dict[str, bytes]:
    """Pictures by kind."""
    KEPT.mkdir(parents=True, exist_ok=True)
    found: dict[str, bytes] = {}
    for kind, make in MAKERS.items():
        file = KEPT / kind
        if not file.exists():
            file.write_bytes(make())
        found[kind] = file.read_bytes()
    return found


@dataclass
class Measured:
    idle: int
    """Bytes. The next two are bytes as well."""
    peak: int = 0
    after: int = 0
    seconds: float = 0
    """Seconds until the memory was down again."""
    answers: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    """How often each kind was answered with each status."""


def measure(seconds: float, folder: Path) -> Measured:
    """Raises `AssertionError` if an answer is none of those that clients are promised."""
    files = largest()
    with serving(folder) as served:
        pid = served.process.pid
        for small in (drawn.jpeg(), drawn.png(), drawn.gif(frames=3), drawn.webp(), drawn.avif()):
            served.upload(small)  # everything that is loaded on first use is loaded
        time.sleep(2)
        measured = Measured(pss(pid))
        for kind, content in files.items():
            assert (status := sent(served, content)[0]) == 200, f"{kind}, alone: {status}"
        end = time.monotonic() + seconds

        def client(number: int) -> Counter[tuple[str, int]]:
            chance, answers = random.Random(number), Counter[tuple[str, int]]()
            while time.monotonic() < end:
                kind = chance.choice(sorted(files))
                answers[kind, sent(served, files[kind])[0]] += 1
            return answers

        with watched(pid) as memory, ThreadPoolExecutor(CLIENTS) as clients:
            for answers in clients.map(client, range(CLIENTS)):
                measured.answers += answers
        measured.peak = memory.peak
        measured.after, measured.seconds = fell_to(pid, round(measured.idle * NEAR), REST)
        assert served.upload(drawn.png())["width"] == 8
        statuses = {status for _, status in measured.answers}
        assert statuses <= {200, 413, 422, 503}, f"{measured.answers}\n{served.log[-2000:]}"
    return measured


if __name__ == "__main__":
    wanted = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as name:
        found = measure(wanted, Path(name))
    for kind in MAKERS:
        told = ", ".join(f"{status}: {count}" for (of, status), count in sorted(found.answers.items()) if of == kind)
        click.echo(f"{kind}: {told}")
    click.echo(
        f"all processes together: {megabytes(found.idle)} before, {megabytes(found.peak)} at most (allowed: "
        f"{megabytes(ALLOWED)}), {megabytes(found.after)} after {found.seconds:.0f} s of rest"
    )
    sys.exit(found.peak > ALLOWED or found.after > found.idle * NEAR)
