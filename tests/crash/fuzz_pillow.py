"""Sends the damaged and hostile pictures of Pillow's own tests through a server, once each.

`python -m tests.crash.fuzz_pillow`. They are in Pillow's source distribution, which is downloaded once and kept in
build/. Without a network nothing is tested.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click

from tests import drawn
from tests.crash.fuzz import CLIENTS, WITHIN, sent
from tests.crash.tree import ALLOWED, megabytes, watched
from tests.served import IMGES, serving

VERSION = "11.3.0"
KEPT = Path("build/pillow")
FORMATS = "[jpg, png, gif, webp, avif, heic, tiff, bmp]"


def downloaded() -> Path | None:
    """Returns Pillow's source distribution; `None` if it cannot be downloaded."""
    archive = KEPT / f"pillow-{VERSION}.tar.gz"
    if not archive.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        ask = [sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", "pillow", "--no-deps"]
        ask += ["--no-build-isolation", "--dest", str(KEPT), f"pillow=={VERSION}"]
        subprocess.run(ask, check=False, timeout=300)
    return archive if archive.exists() else None


def corpus(archive: Path) -> dict[str, bytes]:
    """Returns every file of its tests that may be a picture, by name."""
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as opened:
        for member in opened:
            if "/Tests/images/" in member.name and member.isfile() and (file := opened.extractfile(member)):
                found[member.name.partition("/Tests/images/")[2]] = file.read()
    return found


@dataclass
class Seen:
    answers: Counter[int] = field(default_factory=Counter[int])
    longest: float = 0
    """Seconds."""
    peak: int = 0
    """Bytes."""
    deaths: list[str] = field(default_factory=list[str])
    """Lines of the log about workers."""


def through_a_server(files: dict[str, bytes], folder: Path, processor: str) -> Seen:
    """Raises `AssertionError` if an answer is wrong, the server dies, or it uses too much memory."""
    seen = Seen()
    with serving(folder, IMAGES__FORMATS=FORMATS, IMAGES__PROCESSOR=processor) as served:

        def one(name: str) -> tuple[str, int, float, bytes]:
            began = time.monotonic()
            status, answer = sent(served, files[name])
            return name, status, time.monotonic() - began, answer

        served.upload(drawn.jpeg())
        with watched(served.process.pid) as memory, ThreadPoolExecutor(CLIENTS) as clients:
            for name, status, seconds, answer in clients.map(one, sorted(files)):
                assert 200 <= status < 500, f"{name}: {status} {answer[:300]!r}\n{served.log[-1000:]}"
                assert seconds < WITHIN, f"{name}: it took {seconds:.1f} s"
                seen.answers[status] += 1
                seen.longest = max(seen.longest, seconds)
        seen.peak = memory.peak
        assert served.upload(drawn.png())["width"] == 8
        seen.deaths = re.findall(r"a worker died.*", served.log)
    assert seen.peak <= ALLOWED, f"the memory of all processes rose to {megabytes(seen.peak)}"
    checked = subprocess.run([*IMGES, "fsck"], cwd=folder, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[-2000:]
    return seen


if __name__ == "__main__":
    source = downloaded()
    if source is None:
        click.echo("Pillow's pictures are left out: its source distribution could not be downloaded")
        sys.exit(0)
    files = corpus(source)
    for processor in ("vips", "pillow"):
        with tempfile.TemporaryDirectory() as name:
            seen = through_a_server(files, Path(name), processor)
        answers = ", ".join(f"{status}: {count}" for status, count in sorted(seen.answers.items()))
        click.echo(
            f"{len(files)} pictures of Pillow {VERSION} by {processor}: {answers}; the longest answer took "
            f"{seen.longest:.1f} s; all processes together had {megabytes(seen.peak)} at most; "
            + ("; ".join(seen.deaths) or "no worker died")
        )
