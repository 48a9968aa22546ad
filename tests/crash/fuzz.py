"""Sends mutated pictures of every format through a server: `python -m tests.crash.fuzz 10000 [SEED]`."""

import http.client
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from tests import drawn
from tests.served import Served, multipart, serving

CLIENTS = 4
NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1")
WITHIN = 10.0
"""Seconds that an answer may take."""


def corpus() -> list[bytes]:
    """Small pictures of each format, still and animated, with and without metadata."""
    small = drawn.noise(48, 32)
    return [
        drawn.encoded(small, "JPEG", quality=80),
        drawn.encoded(small, "JPEG", quality=80, progressive=True),
        drawn.encoded(small.convert("CMYK"), "JPEG"),
        drawn.jpeg(64, 48, 6),
        drawn.png(24, 24),
        drawn.encoded(small.convert("P"), "PNG"),
        drawn.encoded(small.convert("RGBA"), "PNG"),
        drawn.gif(24, 24),
        drawn.gif(24, 24, 4),
        drawn.webp(),
        drawn.encoded(small, "WEBP", lossless=True),
        drawn.encoded(small, "WEBP", save_all=True, append_images=[small.rotate(90)], duration=50),
        drawn.avif(32, 32),
    ]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Mutates once or several times: flips bits, sets bytes, removes, repeats, swaps or inserts pieces."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not changed:
            break
        at, length = chance.randrange(len(changed)), chance.choice((1, 2, 4, 16, 64))
        match chance.randrange(6):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = changed[at : at + length]
            case 4:
                changed[at : at + length] = chance.randbytes(length)
            case _:
                changed[at : at + 4] = chance.choice(
                    (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1")
                )
    return bytes(changed) if chance.random() < 0.95 else bytes(changed[: chance.randrange(len(changed) + 1)])


def sent(served: Served, content: bytes) -> tuple[int, bytes]:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": served.key}
    try:
        return served.request("POST", "/api/1/upload", multipart(content), **headers)
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error).encode()


def rounds(count: int, folder: Path, seed: int = 0) -> tuple[Counter[int], float]:
    """Returns how often each status came and the longest answer in seconds. An `AssertionError` keeps the file."""
    originals, answers, longest = corpus(), Counter[int](), 0.0

    def one(served: Served, number: int) -> tuple[int, float]:
        chance = random.Random(seed * 1_000_000 + number)
        content = mutated(chance.choice(originals), chance)
        began = time.monotonic()
        status, answer = sent(served, content)
        if not 200 <= status < 500:
            Path(folder / f"found-{number}").write_bytes(content)
            raise AssertionError(f"seed {seed}, number {number}: {status} {answer[:300]!r}")
        return status, time.monotonic() - began

    with serving(folder) as served, ThreadPoolExecutor(CLIENTS) as clients:
        for status, seconds in clients.map(lambda number: one(served, number), range(count)):
            answers[status] += 1
            longest = max(longest, seconds)
        assert "a worker died" not in served.log, served.log[-2000:]
        assert served.upload(drawn.png())["width"] == 8
    assert longest < WITHIN, f"an answer took {longest:.1f} s"
    return answers, longest


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        found, seconds = rounds(wanted, Path(name), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    told = ", ".join(f"{status}: {count}" for status, count in sorted(found.items()))
    click.echo(f"{wanted} mutations: {told}; the longest answer took {seconds:.1f} s; no worker died")
