"""A disk that is full, read-only or broken.

Uploads are refused with a message, pictures are still served, nothing half-written stays, and after the repair
everything works again without a restart.
"""

import errno
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests import drawn
from tests.crash import stored
from tests.crash.held import Call, Holder, Watch
from tests.crash.operations import held_server
from tests.disks import needs_root, small_disk
from tests.served import Served, multipart, serving

SMALL = drawn.encoded(drawn.noise(60, 60), "PNG")
LARGE = drawn.encoded(drawn.noise(900, 900), "PNG")
"""2.4 MB."""


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """The data folder on a file system of its own, of 8 MB."""
    with small_disk(tmp_path / "data", "8m") as folder:
        yield folder


def tried(served: Served, content: bytes) -> tuple[int, dict[str, Any]]:
    """Returns status and answer of an upload."""
    headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": served.key}
    status, answer = served.request("POST", "/api/1/upload", multipart(content), **headers)
    return status, json.loads(answer)


def emptied(folder: Path) -> bool:
    """Waits until nothing is left on the spool, which is emptied in the background."""
    deadline = time.monotonic() + 10
    while stored.spooled(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not stored.spooled(folder)


def ready(served: Served) -> tuple[int, dict[str, str]]:
    status, answer = served.request("GET", "/readyz")
    return status, json.loads(answer).get("reasons", {})


@contextmanager
def held_serving(folder: Path) -> Generator[tuple[Served, Holder]]:
    served, holder = held_server(folder)
    try:
        yield served, holder
    finally:
        served.process.kill()
        served.process.wait()


@contextmanager
def filled(disk: Path, *, but: int) -> Generator[None]:
    """Fills the disk but for so many bytes."""
    filler = disk / "filler"
    with filler.open("wb") as file, suppress(OSError):
        free = os.statvfs(disk)
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - but))
    try:
        yield
    finally:
        filler.unlink()


@needs_root
def test_a_full_disk_is_reported_wherever_it_gets_full_and_recovers(tmp_path: Path, disk: Path):
    """In the spool, the thumb, the original or the catalog's log: with each page less, another write fails."""
    with serving(tmp_path, LIMITS__DISK_RESERVE="0") as served:
        kept = served.upload(SMALL)["url"]
        answers: list[int] = []
        for pages in range(0, 64, 2):
            with filled(disk, but=pages * 4096):
                status, answer = tried(served, SMALL)
                answers.append(status)
                if status != 200:
                    assert (status, answer["status_code"]) == (507, 507), (pages, answer)
                assert served.get(kept) == (200, SMALL)
                assert emptied(tmp_path)
        assert {200, 507} == set(answers), answers
        assert tried(served, SMALL)[0] == 200
        assert ready(served)[0] == 200
        good = answers.count(200) + 2
        served.process.terminate()
        assert served.process.wait(30) == 0
    with serving(tmp_path):
        assert stored.settled(tmp_path, 10) == ""
        assert len(stored.rows(tmp_path)) == good
        assert stored.fsck(tmp_path) == ""


@needs_root
def test_a_picture_that_does_not_fit_is_refused_and_takes_no_room(tmp_path: Path, disk: Path):
    with serving(tmp_path, LIMITS__DISK_RESERVE="0") as served, filled(disk, but=2**20):
        free = os.statvfs(disk).f_bavail
        for _ in range(3):
            status, answer = tried(served, LARGE)
            assert (status, answer["error"]["code"]) == (507, 507)
        assert os.statvfs(disk).f_bavail >= free - 256, "some pages of the catalog's log"
        assert tried(served, SMALL)[0] == 200


def test_a_disk_that_turned_read_only_is_reported_and_recovers(tmp_path: Path):
    writing = {"write", "pwrite64", "ftruncate", "fallocate", "fchmod", "utimensat"}
    writing |= {"link", "linkat", "rename", "renameat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"}

    def read_only(call: Call) -> int:
        return errno.EROFS if call.name in writing or (call.name == "openat" and call.writes) else 0

    with held_serving(tmp_path) as (served, holder):
        kept = served.upload(SMALL)["url"]
        rows = stored.rows(tmp_path)
        holder.watch(Watch(failing=read_only))
        status, answer = tried(served, SMALL)
        assert (status, answer["status_code"]) == (503, 503)
        status, reasons = ready(served)
        assert (status, sorted(reasons)) == (200, ["catalog", "spool", "storage disk"]), reasons
        assert served.get(kept) == (200, SMALL)
        assert served.request("GET", "/healthz")[0] == 200
        holder.leave()
        assert ready(served) == (200, {})
        assert added(served, tmp_path)
        assert len(stored.rows(tmp_path)) == len(rows) + 1


FAULTS = [
    ("openat", "spool/upload-", ""),
    ("write", "spool/", "spool"),
    ("close", "spool/upload-", ""),
    ("rename link", "spool/", ""),
    ("fsync", "spool/", ""),
    ("linkat", "images", "storage disk"),
    ("fsync", "images", "storage disk"),
    ("pwrite64", "imges.db-wal", "catalog"),
    ("fdatasync fsync", "imges.db-wal", "catalog"),
]
"""Calls that fail from then on, the files they concern, and the part that `/readyz` has to name."""


@pytest.mark.parametrize("errors", [[errno.EIO], [errno.EACCES, errno.EROFS]], ids=["broken", "not ours"])
def test_a_failing_disk_is_reported_and_nothing_of_a_refused_upload_stays(tmp_path: Path, errors: list[int]):
    with held_serving(tmp_path) as (served, holder):
        kept = served.upload(SMALL)["url"]
        rows = stored.rows(tmp_path)
        for (names, path, part), error in zip(FAULTS, cycle(errors), strict=False):

            def fails(call: Call, names: str = names, path: str = path, error: int = error) -> int:
                return error if call.name in names.split() and call.path.startswith(path) else 0

            told = f"{names} of {path}"
            holder.watch(Watch(failing=fails))
            status, answer = tried(served, SMALL)
            assert (status, answer["status_code"]) == (503, 503), (told, answer)
            assert served.get(kept) == (200, SMALL), told
            if part:
                status, reasons = ready(served)
                assert (status, list(reasons)) == (200, [part]), (told, reasons)  # pictures are served
                assert served.request("GET", "/readyz?uploads")[0] == 503, told
            holder.leave()
            assert published(tmp_path) == rows, told
            assert ready(served) == (200, {}), told
            rows = [*rows, *added(served, tmp_path)]
        served.process.terminate()
        assert served.process.wait(30) == 0
    with serving(tmp_path):
        assert stored.settled(tmp_path, 10) == ""
        assert stored.rows(tmp_path) == rows
        assert stored.fsck(tmp_path) == ""


def published(folder: Path) -> list[tuple[int, str, str]]:
    return [row for row in stored.rows(folder) if row[1] == "published"]


def added(served: Served, folder: Path) -> list[tuple[int, str, str]]:
    """Returns the row of one more upload, which has to succeed at once."""
    before = published(folder)
    status, answer = tried(served, SMALL)
    assert status == 200, answer
    return [row for row in published(folder) if row not in before]
