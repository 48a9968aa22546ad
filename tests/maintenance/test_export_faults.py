"""`export` with pipes and folders in its way, and on a full disk. `test_import` imports an export."""

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests import drawn
from tests.commands import run
from tests.disks import needs_root, small_disk
from tests.maintenance.collection import open_library
from tests.maintenance.test_import import put


@pytest.fixture
async def exported(tmp_path: Path) -> list[str]:
    """Stores two pictures in tmp_path/data, and returns their keys."""
    async with open_library(tmp_path / "data") as library:
        images = [await library.upload(drawn.encoded(drawn.noise(300, 300), "PNG")) for _ in range(2)]
        return [image.original.key for image in images]


def export(tmp_path: Path, folder: Path | str) -> subprocess.CompletedProcess[str]:
    said = run(tmp_path, "export", str(folder), LIMITS__DISK_RESERVE="1 MB")
    assert "Traceback" not in said.stderr
    return said


def parts(folder: Path) -> list[Path]:
    return [*folder.rglob("*.part"), *folder.rglob(".*.part")]


@pytest.mark.parametrize("kind", ["pipe", "folder", "file as its folder"])
def test_a_thing_in_the_way_of_an_export_stays_and_is_reported(tmp_path: Path, exported: list[str], kind: str):
    target = tmp_path / "out" / exported[0]
    if kind == "file as its folder":
        put(tmp_path, "out/" + exported[0].rpartition("/")[0], b"in the way")
    else:
        target.parent.mkdir(parents=True)
        os.mkfifo(target) if kind == "pipe" else target.mkdir()
    said = export(tmp_path, "out")
    failed = 2 if kind == "file as its folder" else 1
    assert (said.returncode, f"{failed} could not be written" in said.stderr) == (1, True)
    assert (said.stdout + said.stderr).count("not exported: ") == failed
    assert parts(tmp_path / "out") == []
    assert len((tmp_path / "out/pictures.jsonl").read_text().splitlines()) == 2 - failed
    assert not target.is_file()


def test_a_pipe_with_the_name_of_the_unfinished_list_does_not_block_an_export(tmp_path: Path, exported: list[str]):
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out/pictures.jsonl.part")
    assert export(tmp_path, "out").returncode == 0
    assert len((tmp_path / "out/pictures.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_an_export_that_cannot_write_its_list_is_not_begun(tmp_path: Path, exported: list[str], kind: str):
    (tmp_path / "out").mkdir()
    file = tmp_path / "out/pictures.jsonl"
    os.mkfifo(file) if kind == "pipe" else file.mkdir()
    said = export(tmp_path, "out")
    assert (said.returncode, said.stderr) == (1, "Error: out/pictures.jsonl: it is no file\n")
    assert [found.name for found in (tmp_path / "out").iterdir()] == ["pictures.jsonl"]


@pytest.mark.parametrize("folder", ["/proc/x", "/sys/kernel", "data/imges.db/x"])
def test_an_export_to_an_impossible_folder_is_refused_in_a_sentence(tmp_path: Path, exported: list[str], folder: str):
    said = export(tmp_path, folder)
    assert said.returncode == 1
    assert said.stderr.startswith(f"Error: {folder}")


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 1 MB."""
    with small_disk(tmp_path / "disk", "1m") as folder:
        yield folder


@needs_root
def test_a_full_disk_ends_an_export_and_no_unfinished_file_stays(tmp_path: Path, exported: list[str], disk: Path):
    (disk / "filled").write_bytes(bytes(900_000))
    said = export(tmp_path, disk)
    assert (said.returncode, said.stderr) == (1, f"Error: {disk}: No space left on device\n")
    assert parts(disk) == []
    assert not (disk / "pictures.jsonl").exists()
    (disk / "filled").unlink()
    assert export(tmp_path, disk).returncode == 0
