"""What a server holds: open files and memory of all its processes, files on their way; and back to the start again."""

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

from tests import pictures
from tests.hostile.wire import LONGEST
from tests.served import Served

MOST_MEMORY = 768 * 2**20
"""Bytes that the whole process tree may take, shared pages counted once."""
BACK_WITHIN = 60.0
"""Seconds in which files and temporary files are back to where they were."""
LOOK_EVERY = 0.25


@dataclass
class Held:
    """Of the whole process tree."""

    files: int
    memory: int
    """Bytes (PSS)."""
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
    """Bytes; pages that several processes share are shared out among them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def temporary(data: Path) -> Counter[str]:
    """Files of uploads that are on their way, and how many folders: some are kept, and get other names."""
    found = Counter[str]()
    for top in (data / "spool", data / "images/.staging"):
        for folder, folders, files in os.walk(top):  # unlike `rglob` it does not mind what goes away meanwhile
            found["folders"] += len(folders)
            found.update(os.path.relpath(Path(folder) / name, data) for name in files)
    return found


def settled(served: Served) -> None:
    """Wait until all its processes have started and have served somebody: they open no more files."""
    before = -1
    while (now := held(served).files) != before:
        before = now
        with ThreadPoolExecutor(16) as clients:
            list(clients.map(served.upload, [pictures.png()] * 32))
        time.sleep(1)


class Watch:
    """Looks at what the server holds, all the time within its block; *peak* in bytes."""

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
        """Seconds until nothing is held that was not before. Raises: AssertionError where that takes a minute."""
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
    """Within the block the server is watched; behind it a good upload works, and nothing of the block is left."""
    with Watch(served) as watch:
        yield watch
    watch.look()
    log = served.log
    assert served.process.poll() is None, log[-2000:]
    assert "Traceback" not in log, log[log.index("Traceback") - 300 :][:3000]
    began = time.monotonic()
    image = served.upload(pictures.png())
    assert time.monotonic() - began < LONGEST
    assert served.get(image["url"]) == (200, pictures.png())
    watch.back()
    assert watch.peak < MOST_MEMORY, f"{watch.peak >> 20} MB"
