"""If memory runs out, only the picture that is being decoded is lost."""

import os
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests import drawn
from tests.crash.test_disk import SMALL, tried
from tests.served import IMGES, Served, serving

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
SPARE = 8 * 2**20
"""Bytes above what an idle server uses."""


class Group:
    """A control group whose memory can be limited, by the kernel's old interface or its new one."""

    def __init__(self) -> None:
        self.is_old = (V1 / "memory.limit_in_bytes").exists()
        self.folder = (V1 if self.is_old else V2) / f"imges-test-{os.getpid()}"
        self.folder.mkdir()

    def limit_to(self, size: int) -> None:
        (self.folder / ("memory.limit_in_bytes" if self.is_old else "memory.max")).write_text(str(size))

    def limit(self) -> None:
        """Limits the memory to what is used now, and a little more."""
        stat = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        used = int(stat["rss" if self.is_old else "anon"])
        self.limit_to(used + SPARE)

    def kills(self) -> int:
        """Returns how many processes of the group the kernel has killed."""
        text = (self.folder / ("memory.oom_control" if self.is_old else "memory.events")).read_text()
        return int(dict(line.split() for line in text.splitlines())["oom_kill"])


@pytest.fixture
def group() -> Generator[Group]:
    try:
        group = Group()
        assert (group.folder / ("memory.limit_in_bytes" if group.is_old else "memory.max")).exists()
    except (OSError, AssertionError):
        pytest.skip("no control group can be made here")
    yield group
    deadline = time.monotonic() + 10
    while (group.folder / "cgroup.procs").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    group.folder.rmdir()


def test_the_kernel_kills_a_decoder_and_not_the_server(tmp_path: Path, group: Group):
    large = drawn.encoded(drawn.gradient(4000, 4000), "WEBP", quality=60)
    enter = ["sh", "-c", f'echo $$ > {group.folder}/cgroup.procs; exec "$@"', "sh"]
    served = Served(tmp_path, [*enter, *IMGES, "serve"])
    try:
        served.wait_until_it_answers()
        kept = served.upload(SMALL)["url"]
        time.sleep(0.5)
        group.limit()
        answers = {tried(served, large)[0] for _ in range(3)}
        assert group.kills(), "there was memory enough"
        assert answers <= {200, 422, 503}, answers
        assert served.process.poll() is None
        assert tried(served, SMALL)[0] == 200
        assert served.get(kept) == (200, SMALL)
    finally:
        served.process.kill()
        served.process.wait()


def test_a_small_machine_takes_twenty_pictures_at_once(tmp_path: Path, group: Group):
    """It has 512 MB and one CPU. Clients try again while it is busy."""
    group.limit_to(512 * 2**20)
    photo = drawn.encoded(drawn.gradient(4000, 3000), "JPEG", quality=80)
    pictures = [photo, SMALL, drawn.webp(), drawn.encoded(drawn.noise(1500, 1000), "PNG")] * 5
    enter = ["sh", "-c", f'echo $$ > {group.folder}/cgroup.procs; exec taskset -c 0 "$@"', "sh"]
    served = Served(tmp_path, [*enter, *IMGES, "serve"])
    try:
        served.wait_until_it_answers()
        assert "decoders: 2 processes and 170.7 MB of memory together, of 512 MB" in served.log
        with ThreadPoolExecutor(20) as clients:
            images = list(clients.map(served.upload, pictures))
        assert all(served.get(image["url"])[0] == 200 for image in images)
        assert group.kills() == 0
        assert "died" not in served.log
    finally:
        served.process.terminate()
        served.process.wait(60)


def test_decoders_are_what_the_kernel_kills_first(tmp_path: Path):
    with serving(tmp_path) as served:
        served.upload(SMALL)
        children = psutil.Process(served.process.pid).children(recursive=True)
        scores = [int(Path(f"/proc/{child.pid}/oom_score_adj").read_text()) for child in children]
        assert scores.count(1000) >= 2, scores
