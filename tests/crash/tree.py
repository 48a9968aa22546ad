"""The memory of a server and all its processes together. Shared pages are counted once."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ALLOWED = 768 * 2**20
"""Bytes that it may use at the default limits, whatever is sent."""
EVERY = 0.1


def pss(pid: int) -> int:
    """Returns bytes of the process and its descendants: proportional set size, where a shared page is divided."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_pss(member.pid) for member in family)


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # the process has just ended
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


@dataclass
class Watched:
    peak: int = 0


@contextmanager
def watched(pid: int) -> Generator[Watched]:
    """The highest memory during the block."""
    found, ended = Watched(), threading.Event()

    def look() -> None:
        while not ended.wait(EVERY):
            found.peak = max(found.peak, pss(pid))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def fell_to(pid: int, most: int, seconds: float) -> tuple[int, float]:
    """Returns the memory as soon as it is at most *most*, or after *seconds*; and how long that took."""
    began = time.monotonic()
    while (now := pss(pid)) > most and time.monotonic() - began < seconds:
        time.sleep(0.5)
    return now, time.monotonic() - began


def megabytes(size: int) -> str:
    return f"{size / 2**20:.0f} MB"
