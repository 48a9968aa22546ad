"""The data folder."""

import os
from pathlib import Path

import pytest

from imges.settings import Settings, prepare_data_dir
from tests.settings.reading import complaints


def test_the_data_folder_is_made_and_lets_a_proxy_through(tmp_path):
    folder = tmp_path / "srv/data"
    before = os.umask(0o077)
    try:
        prepare_data_dir(Settings(data_dir=folder))
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o711
    assert list(folder.iterdir()) == []


def test_an_existing_data_folder_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o750)
    prepare_data_dir(Settings(data_dir=tmp_path))
    assert tmp_path.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("folder", ["/proc/imges", "a-file", "a-file/data"])
def test_a_data_folder_that_cannot_be_written_is_reported(folder):
    Path("a-file").touch()
    (problem,) = complaints(prepare_data_dir, Settings(data_dir=Path(folder)))
    assert problem.startswith(f"data_dir is '{folder}': should be a folder that can be written (")
