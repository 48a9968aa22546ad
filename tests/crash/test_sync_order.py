"""A power cut loses nothing that was promised: strace watches one upload, and every sync is in its place.

After a power cut a system has what was synced. So a file is synced before it gets its name. The name and those of new
folders are synced before the catalog publishes the picture, and the catalog is synced before the client is answered.
"""

import re
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import drawn
from tests.served import IMGES, Served, multipart, serving

CALLS = "fsync,fdatasync,link,linkat,rename,renameat,renameat2,mkdir,mkdirat,pwrite64,write,sendto,writev,sendmsg"
STRACE = ["strace", "-f", "-y", "-qq", "-s", "100", "-e", f"trace={CALLS}", "-o"]


@dataclass(frozen=True)
class Event:
    """A call: its text, and the lines of the trace in which it *began* and *ended*."""

    name: str
    text: str
    began: int
    ended: int


def events(trace: str) -> list[Event]:
    """Returns all successful calls by their beginning. Calls that another thread interrupts in the trace are joined."""
    found: list[Event] = []
    open_ones: dict[str, tuple[str, str, int]] = {}
    for number, line in enumerate(trace.splitlines()):
        thread, _, text = line.partition(" ")
        text = text.strip()
        if began := re.fullmatch(r"(\w+)\((.*) <unfinished \.\.\.>", text):
            open_ones[thread] = (began[1], began[2], number)
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            name, start, since = open_ones.pop(thread)
            found.append(Event(name, start + resumed[1], since, number))
        elif whole := re.match(r"(\w+)\((.*)", text):
            found.append(Event(whole[1], whole[2], number, number))
    return sorted((each for each in found if not re.search(r"= -1 E", each.text)), key=lambda each: each.began)


@contextmanager
def traced(served: Served, file: Path) -> Generator[None]:
    """Writes the calls of the server, in all its threads and workers up to its answer, to *file*."""
    strace = [
        "strace",
        "-f",
        "-y",
        "-qq",
        "-s",
        "100",
        "-o",
        file,
        "-e",
        f"trace={CALLS}",
        "-p",
        str(served.process.pid),
    ]
    with subprocess.Popen(strace) as running:
        deadline = time.monotonic() + 20
        while not attached(served.process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            yield
            deadline = time.monotonic() + 20
            while not answers(events(file.read_text())) and time.monotonic() < deadline:
                time.sleep(0.02)
        finally:  # also if the upload failed: or the test would wait for strace for good
            running.terminate()


def attached(pid: int) -> bool:
    threads = [*Path(f"/proc/{pid}/task").iterdir()]
    return all("TracerPid:\t0\n" not in (thread / "status").read_text() for thread in threads)


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], str]:
    """The first upload of a day, a photograph with a medium: its calls, and the folder of the pictures."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, IMAGES__MEDIUM__WIDTH="300") as served, traced(served, folder / "trace"):
        served.upload(drawn.jpeg(), "photo.jpg")
    return events((folder / "trace").read_text()), f"{folder}/data/images"


def the(calls: list[Event], name: str, pattern: str) -> list[Event]:
    return [each for each in calls if re.fullmatch(name, each.name) and re.search(pattern, each.text)]


def before(first: Event, second: Event) -> None:
    assert first.ended < second.began, f"{first} should have come before {second}"


def named(calls: list[Event], images: str) -> list[Event]:
    """Returns the calls that give objects their names."""
    found = the(calls, "link(at)?|rename(at2?)?", rf'<{images}/\d+/\d+/\d+>, "photo\.')
    assert len(found) == 3, [each.text for each in calls]
    return found


def committed(calls: list[Event]) -> list[Event]:
    """Returns the syncs of the catalog: of the reservation and of the publication."""
    found = the(calls, "fdatasync|fsync", r"<[^>]*imges\.db-wal>")
    assert len(found) >= 2, [each.text for each in calls]
    return found


def answers(calls: list[Event]) -> list[Event]:
    return the(calls, "sendto|write|writev|sendmsg", r"HTTP/1\.1 200")


def answer(calls: list[Event]) -> Event:
    (found,) = answers(calls)
    return found


def test_a_file_is_synced_before_it_gets_its_name(upload: tuple[list[Event], str]):
    calls, images = upload
    for link in named(calls, images):
        source = re.search(r'(?:<([^>]*)>, )?"([^"]*)"', link.text)
        assert source
        synced = the(calls, "fsync", rf"<[^>]*{re.escape(source[2].lstrip('/'))}>")
        assert synced, f"{link.text} was not synced: {[each.text for each in the(calls, 'fsync', '')]}"
        before(synced[0], link)


def test_nothing_is_written_into_a_file_that_has_been_synced(upload: tuple[list[Event], str]):
    calls, _ = upload
    for write in the(calls, "write|pwrite64|writev", r"<[^>]*(/spool/|/images/)"):
        path = write.text.partition("<")[2].partition(">")[0]
        assert not [each for each in the(calls, "fsync", re.escape(f"<{path}>")) if each.ended < write.began]


def test_names_and_new_folders_are_synced_before_the_picture_is_published(upload: tuple[list[Event], str]):
    calls, images = upload
    published = committed(calls)[-1]
    writes = [each for each in the(calls, "pwrite64", r"imges\.db-wal") if each.began < published.began]
    reserved = committed(calls)[-2]
    first_write = next(each for each in writes if each.began > reserved.ended)
    folder = re.search(rf"<({images}/\d+/\d+/\d+)>", named(calls, images)[0].text)
    assert folder
    last_sync = the(calls, "fsync", f"<{folder[1]}>")[-1]
    for link in named(calls, images):
        before(link, last_sync)
    before(last_sync, first_write)
    made = the(calls, "mkdir(at)?", rf"<{images}[/0-9]*>, ")
    assert len(made) == 3, "a year, a month and a day"
    for mkdir in made:
        parent = re.search(rf"<({images}[/0-9]*)>", mkdir.text)
        assert parent
        synced = [each for each in the(calls, "fsync", f"<{parent[1]}>") if each.began > mkdir.ended]
        assert synced, f"{mkdir.text}: the folder above was not synced"
        before(synced[0], first_write)


def test_a_row_is_reserved_durably_before_any_object_has_a_name(upload: tuple[list[Event], str]):
    calls, images = upload
    for link in named(calls, images):
        before(committed(calls)[-2], link)


def test_the_catalog_is_synced_before_the_client_is_answered(upload: tuple[list[Event], str]):
    calls, _ = upload
    published, answered = committed(calls)[-1], answer(calls)
    before(published, answered)
    late = [
        each for each in the(calls, "pwrite64|write", r"imges\.db-wal") if published.began < each.began < answered.began
    ]
    assert not late, "what was written after the sync is not durable"


def test_files_of_the_first_start_are_synced_before_the_first_promise(tmp_path: Path):
    command = [*STRACE[:1], "-D", *STRACE[1:], tmp_path / "trace", *IMGES, "serve"]
    served = Served(tmp_path, command, DATA_DIR="deep/data")
    try:
        served.wait_until_it_answers()
        answer = served.request(
            "POST",
            "/api/1/upload",
            multipart(drawn.png()),
            **{
                "Content-Type": "multipart/form-data; boundary=x",
                "X-API-Key": (tmp_path / "deep/data/api.key").read_text().strip(),
            },
        )
        assert answer[0] == 200
    finally:
        served.process.terminate()
        served.process.wait(30)
    calls = events((tmp_path / "trace").read_text())
    promise = the(calls, "sendto", r"HTTP/1\.1 200")[-1]
    durable = [tmp_path / "deep", tmp_path / "deep/data", *(tmp_path / "deep/data/images").rglob("*")]
    for folder in durable:
        if folder.is_dir() and folder.name != ".staging":
            synced = the(calls, "fsync", f"<{folder.parent}>")
            assert synced, f"the entry of {folder} is not synced"
            assert synced[-1].ended < promise.began
    for file in ("imges.db", "imges.db-wal"):
        assert the(calls, "fsync|fdatasync", f"<{tmp_path}/deep/data/{file}>") or file == "imges.db"
    assert the(calls, "fsync|fdatasync", f"<{tmp_path}/deep/data>")
