"""`fsck` beside a server that is in use: it does not report uploads and deletions that are under way."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import drawn
from tests.commands import run
from tests.served import Served, serving


def test_uploads_and_deletions_are_not_reported(tmp_path: Path):
    stop = threading.Event()

    def use(served: Served, start: int) -> int:
        """Upload, and delete every other picture again."""
        for seed in itertools.count(start):
            image = served.upload(drawn.encoded(drawn.noise(60, 60, seed), "PNG"), f"{seed % 9}.png")
            if seed % 2:
                path = "/" + image["delete_url"].split("/", 3)[3]
                assert served.request("POST", path)[0] == 200
            if stop.is_set():
                return seed - start
        return 0

    with serving(tmp_path) as served, ThreadPoolExecutor(2) as clients:
        running = [clients.submit(use, served, start) for start in (0, 10_000)]
        try:
            found = [run(tmp_path, "fsck", "--repair", "--digests") for _ in range(4)]
        finally:
            stop.set()
        assert all(one.result() > 5 for one in running)
        for one in found:
            assert one.returncode == 0, one.stdout + one.stderr
            assert [line for line in one.stdout.splitlines() if not line.startswith("note: ")] == ["nothing is wrong"]
    assert not (tmp_path / "data/lost+found").exists()
