"""Measures what a server holds: open files and memory of all its processes, files of running uploads."""

import os
import threading
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from tests import drawn
from tests.hostile.wire import LONGEST
from tests.served import Served

MOST_MEMORY = 768 * 2**20
"""Bytes that all processes may take together. Shared pages are counted once."""
BACK_WITHIN = 60.0
"""Seconds within which open and temporary files must be back to their former number."""
LOOK_EVERY = 0.25


@dataclass
class Held:
    """Open files of all processes."""

    files: int
    memory: int
    """Bytes of all processes (PSS)."""
    temporary: Counter[str]


def tree(served: Served) -> list[psutil.Process]:
    root = psutil.Process(served.process.pid)
    return [root, *root.children(recursive=True)]


def held(served: Served) -> Held:
    files = memory = 0
    for process in tree(served):
        with suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
            files += process.num_fds()
            memory += pss(process.pid)
    return Held(files, memory, temporary(served.folder / "data"))


def pss(pid: int) -> int:
    """Returns bytes. Pages that several processes share are divided among them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def temporary(data: Path) -> Counter[str]:
    """Returns the files of running uploads and the number of folders. Some folders are kept and get new names."""
    found = Counter[str]()
    for top in (data / "spool", data / "images/.staging"):
        for folder, folders, files in os.walk(top):  # unlike `rglob` it accepts that files disappear meanwhile
            found["folders"] += len(folders)
            found.update(os.path.relpath(Path(folder) / name, data) for name in files)
    return found


def settled(served: Served) -> None:
    """Waits until all processes have started and have answered once: they then open no more files."""
    before = -1
    while (now := held(served).files) != before:
        before = now
        with ThreadPoolExecutor(16) as clients:
            list(clients.map(served.upload, [drawn.png()] * 32))
        time.sleep(1)


class Watch:
    """Measures all the time within its block. *peak* is in bytes."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.before = held(served)
        self.peak = self.before.memory
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._looking)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _looking(self) -> None:
        while not self._end.wait(LOOK_EVERY):
            self.look()

    def look(self) -> Held:
        now = held(self.served)
        self.peak = max(self.peak, now.memory)
        return now

    def back(self) -> float:
        """Returns the seconds until nothing new is held any more. Raises `AssertionError` after a minute."""
        began = time.monotonic()
        while True:
            now = self.look()
            if now.files <= self.before.files and now.temporary <= self.before.temporary:
                return time.monotonic() - began
            if time.monotonic() - began > BACK_WITHIN:
                added = sorted(now.temporary - self.before.temporary)[:5]
                raise AssertionError(f"open files: {self.before.files} before, {now.files} now; left: {added}")
            time.sleep(LOOK_EVERY)


@contextmanager
def watched(served: Served) -> Generator[Watch]:
    """Watches the server within the block. Afterwards a good upload works and nothing of the block is left."""
    with Watch(served) as watch:
        yield watch
    watch.look()
    log = served.log
    assert served.process.poll() is None, log[-2000:]
    assert "Traceback" not in log, log[log.index("Traceback") - 300 :][:3000]
    began = time.monotonic()
    image = served.upload(drawn.png())
    assert time.monotonic() - began < LONGEST
    assert served.get(image["url"]) == (200, drawn.png())
    watch.back()
    assert watch.peak < MOST_MEMORY, f"{watch.peak >> 20} MB"
