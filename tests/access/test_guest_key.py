"""The guests' key that imges makes if the settings name none."""

import stat
from pathlib import Path

import pytest

from imges.access.guest_key import key_file
from imges.catalog import GUEST
from imges.errors import (
    SettingsError,
)
from tests.access.opening import HOME, KEY, Open, outcome


async def test_a_key_is_made_once_and_kept_in_a_file(open_access: Open, tmp_path: Path) -> None:
    async with open_access(None) as access:
        file = key_file(tmp_path)
        assert access.new_key_file == file == tmp_path / "api.key"
        text = file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert text.endswith("\n")
        assert len(text.strip()) == 40
        assert (await access.identify(text.strip(), HOME)).name == GUEST
    async with open_access(None) as again:
        assert again.new_key_file is None
        assert (await again.identify(text.strip(), HOME)).name == GUEST
    assert [file.name for file in tmp_path.iterdir() if "key" in file.name] == ["api.key"]


async def test_a_key_in_the_settings_writes_no_file(open_access: Open, tmp_path: Path) -> None:
    async with open_access(KEY) as access:
        assert access.new_key_file is None
    assert not key_file(tmp_path).exists()


async def test_the_file_of_a_lost_catalog_gives_the_new_one_its_key(open_access: Open, tmp_path: Path) -> None:
    key_file(tmp_path).write_text("from before\n")
    async with open_access(None) as access:
        assert access.new_key_file is None
        assert (await access.identify("from before", HOME)).name == GUEST


@pytest.mark.parametrize("content", [None, b"", b" \n"])
async def test_a_lost_file_is_written_again_from_the_catalog(
    open_access: Open, tmp_path: Path, content: bytes | None
) -> None:
    file = key_file(tmp_path)
    async with open_access(None):
        text = file.read_text()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    async with open_access(None) as access:
        assert access.new_key_file == file
    assert file.read_text() == text


async def test_a_changed_file_is_corrected_and_logged(
    open_access: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = key_file(tmp_path)
    async with open_access(None):
        text = file.read_text()
    file.write_text("somebody's\n")
    async with open_access(None) as access:
        assert await outcome(access.identify("somebody's", HOME)) == (401, 100)
    assert file.read_text() == text
    assert str(file) in caplog.text
    assert text.strip() not in caplog.text
    assert "somebody's" not in caplog.text


async def test_a_file_that_cannot_be_used_stops_the_start(open_access: Open, tmp_path: Path) -> None:
    key_file(tmp_path).mkdir()
    with pytest.raises(SettingsError, match=r"api\.key"):
        async with open_access(None):
            pass
