"""One upload, broken at each system call of its write path: `python -m tests.crash.points [COUNT] [SEED]`.

strace attaches to the running server and, at the N-th call of one kind in any thread, kills it or lets the call fail.
What was promised must be there afterwards, byte for byte; what was not must leave nothing that `imges fsck` finds.
"""

import http.client
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Self

import click

from tests import pictures
from tests.served import IMGES, Served, serving

CALLS = (
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "link,linkat",
    "rename,renameat,renameat2",
    "unlink,unlinkat",
    "mkdir,mkdirat",
    "close",
    "ftruncate",
)
FAULTS = ("signal=KILL", "error=EIO", "error=ENOSPC")
DEEPEST = 12
"""More calls of one kind no thread makes over an upload."""
ATTACHED = 10


@dataclass(frozen=True)
class Point:
    call: str
    number: int
    fault: str

    def __str__(self) -> str:
        return f"{self.call} {self.number} {self.fault}"


POINTS = [Point(*each) for each in product(CALLS, range(1, DEEPEST + 1), FAULTS)]


class Faulty:
    """A server under strace for the time of the block."""

    def __init__(self, served: Served, point: Point, trace: Path) -> None:
        self._trace = trace
        inject = f"inject={point.call}:{point.fault}:when={point.number}"
        self._arguments = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={point.call}", "-e", inject]
        self._pid = served.process.pid

    def __enter__(self) -> Self:
        self._strace = subprocess.Popen([*self._arguments, "-p", str(self._pid)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + ATTACHED
        while not self._is_attached() and time.monotonic() < deadline:
            time.sleep(0.02)
        return self

    def _is_attached(self) -> bool:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return "TracerPid:\t0\n" not in status

    def __exit__(self, *_: object) -> None:
        self._strace.terminate()
        try:
            self._strace.wait(3)
        except subprocess.TimeoutExpired:  # it waits for a thread that is gone
            self._strace.kill()
            self._strace.wait()

    @property
    def hit(self) -> bool:
        text = self._trace.read_text(errors="replace") if self._trace.exists() else ""
        return "(INJECTED)" in text or "SIGKILL" in text


def upload(served: Served, content: bytes, promised: dict[str, bytes]) -> int:
    """The status of an upload; 0 for a connection that broke. A promise is noted."""
    try:
        url = served.upload(content)["url"]
    except (OSError, http.client.HTTPException):
        return 0
    except AssertionError as answer:
        found = str(answer).partition('"status_code": ')[2][:3]
        return int(found) if found.isdigit() else -1
    promised["/" + url.split("/", 3)[3]] = content
    return 200


def check(served: Served, promised: dict[str, bytes], point: Point) -> None:
    for path, content in promised.items():
        assert served.request("GET", path) == (200, content), f"{point}: {path} is lost"


def fsck(folder: Path, point: Point) -> None:
    """What a crash leaves is taken back at the next start; fsck finds it clean."""
    found = subprocess.run([*IMGES, "fsck"], cwd=folder, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{point}: fsck: {found.stdout[-1500:]}{found.stderr[-500:]}"


def broken_at(point: Point, folder: Path, promised: dict[str, bytes], seed: int) -> bool:
    """One round; whether the point was reached."""
    content = pictures.encoded(pictures.noise(40, 40, seed), "PNG")
    with serving(folder) as served:
        upload(served, content, promised)  # workers and threads are there
        with Faulty(served, point, folder / "trace") as faulty:
            status = upload(served, content, promised)
        hit = faulty.hit
        expected = {0, 200} if "KILL" in point.fault else {200, 500, 503, 507, 0}
        assert status in expected, f"{point}: answered {status}\n{served.log[-1500:]}"
        if served.process.poll() is None and "KILL" not in point.fault:
            deadline = time.monotonic() + 20
            while (again := upload(served, content, promised)) != 200 and time.monotonic() < deadline:
                time.sleep(0.3)
            assert again == 200, f"{point}: it does not recover: {again}"
    with serving(folder) as served:
        check(served, promised, point)
        time.sleep(0.3)
        served.process.terminate()
        served.process.wait(30)
    fsck(folder, point)
    (folder / "trace").unlink(missing_ok=True)
    return hit


def rounds(count: int, folder: Path, seed: int = 0) -> tuple[int, int]:
    """So many points, drawn by *seed*, all of them where *count* says so; how many were reached, and promises."""
    points = random.Random(seed).sample(POINTS, count) if count < len(POINTS) else POINTS
    promised: dict[str, bytes] = {}
    reached = 0
    for number, point in enumerate(points):
        click.echo(f"{point} ({number + 1} of {len(points)})", err=True)
        reached += broken_at(point, folder, promised, number)
    return reached, len(promised)


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else len(POINTS)
    with tempfile.TemporaryDirectory() as name:
        hits, kept = rounds(wanted, Path(name), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    click.echo(
        f"{wanted} points of an upload, {hits} of them reached; {kept} uploads promised, 0 lost; fsck found all clean"
    )
