"""Uploads a second, against the bare loops and the peer, taken in turn."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.corpus import Picture
from benchmarks.load import upload_all
from benchmarks.servers import HERE, Server

CONNECTIONS = 8
QUALITY = (85, 80, 6)
"""JPEG, WebP, PNG of the bare loops: the defaults of imges."""


@dataclass(frozen=True, slots=True)
class Run:
    """One turn of one contestant: pictures a second, and milliseconds of CPU for each."""

    rate: float
    cpu: float


def bare_loops(pictures: Sequence[Picture], folder: Path, quality: tuple[int, int, int] = QUALITY) -> Run:
    """The two bare loops, in a new folder below *folder*.

    Nothing is deleted here: for a minute ext4 searches past deleted files whenever a file is made, and the contestant
    with the next turn would pay for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, str(HERE / "bare_loops.py"), "2", str(folder), *map(str, quality)]
    paths = "\n".join(str(picture.path) for picture in pictures)
    answer = json.loads(subprocess.run(command, input=paths, capture_output=True, text=True, check=True).stdout)
    return Run(len(pictures) / answer["seconds"], 1000 * answer["cpu"] / len(pictures))


def served(server: Server, pictures: Sequence[Picture]) -> Run:
    before = server.cpu()
    took = upload_all(server.port, pictures, CONNECTIONS)
    return Run(len(pictures) / took.seconds, 1000 * (server.cpu() - before) / len(pictures))


def ratio(of: Sequence[float], to: Sequence[float]) -> tuple[float, float, float]:
    """The median of the quotients of each turn, the smallest and the largest."""
    quotients = [one / other for one, other in zip(of, to, strict=True)]
    return median(quotients), min(quotients), max(quotients)
