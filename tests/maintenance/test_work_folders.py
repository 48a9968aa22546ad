"""Folders for files that are on their way, and what killed processes left of them."""

import fcntl
import os
from pathlib import Path

from imges.maintenance.work_folders import IN_USE, WorkFolder, folder_beside


async def test_a_work_folder_is_deleted_at_the_end(tmp_path: Path):
    with WorkFolder.open(tmp_path) as work_folder:
        (mine,) = tmp_path.iterdir()
        assert mine.name.startswith("upkeep-")
        assert work_folder.spool.parent == mine
        async with work_folder.folder() as one, work_folder.folder() as other:
            assert {one.parent, other.parent} == {mine}
            assert one != other
            (one / "file").touch()
        assert not one.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_next_work_folder_takes_over_the_leases_of_killed_ones(tmp_path: Path):
    killed = tmp_path / "upkeep-killed"
    killed.mkdir()
    (killed / "lease").write_text("its lease")
    (tmp_path / "upkeep-early").mkdir()  # killed before it had a lease
    with WorkFolder.open(tmp_path) as living:
        assert living.former_leases == ["its lease"]
        living.note("a living lease")
        with WorkFolder.open(tmp_path) as beside:
            assert beside.former_leases == []
            assert len(list(tmp_path.iterdir())) == 2
        assert not killed.exists()
        assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_beside_deletes_those_of_killed_processes_alone(tmp_path: Path):
    for name in (".x-killed", ".x-living", ".x-mine"):
        (tmp_path / name).mkdir()
    for name in (".x-killed", ".x-living"):
        (tmp_path / name / IN_USE).touch()
    lock = os.open(tmp_path / ".x-living" / IN_USE, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with folder_beside(tmp_path, ".x-") as folder:
            assert sorted(found.name for found in tmp_path.iterdir()) == sorted([".x-living", ".x-mine", folder.name])
            with folder_beside(tmp_path, ".x-") as other:
                assert folder.exists()
            assert not other.exists()
        assert sorted(found.name for found in tmp_path.iterdir()) == [".x-living", ".x-mine"]
    finally:
        os.close(lock)
