"""The tests of the third party, which run where imges and imges-shelf are installed and nothing else of ours is."""

from functools import partial
from pathlib import Path

import pytest

from imges.errors import SettingsError
from imges.storage import StorageRefused, open_storage
from imges.testing import OpenStorage, StorageConformance, open_place


class TestShelf(StorageConformance):
    @pytest.fixture
    def open_storage(self, tmp_path: Path) -> OpenStorage:
        return partial(open_place, {"type": "shelf", "file": str(tmp_path / "shelf"), "password": "open sesame"})


@pytest.mark.asyncio
async def test_a_wrong_password_is_refused_and_not_shown(tmp_path: Path):
    given = {"type": "shelf", "file": str(tmp_path / "shelf"), "password": "first"}
    async with open_place(given):
        pass
    with pytest.raises(StorageRefused) as raised:
        await open_storage("attic", given | {"password": "hush"})
    assert raised.value.for_owner("attic").startswith("storages.attic.password: the shelf has another")
    with pytest.raises(SettingsError) as wrong:
        await open_storage("attic", given | {"password": ["hush"], "patience": "long", "fiel": "x"})
    assert sorted(wrong.value.problems) == [
        "storages.attic.fiel: there is no such setting; did you mean storages.attic.file?",
        "storages.attic.password is (hidden): should be text; put it in quotes",
        "storages.attic.patience is 'long': should be a whole number",
    ]
    assert "hush" not in str(wrong.value)
