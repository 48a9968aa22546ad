"""The key ring: API keys are stored as keyed hashes."""

from pathlib import Path

import pytest

from imges.access.api_keys import KeyRing
from imges.catalog import ApiKeyNameTaken, open_catalog
from tests.access.opening import KEY, Open


async def test_added_keys_differ_and_a_name_is_taken_once(keys: KeyRing) -> None:
    texts = {await keys.add(f"key {number}") for number in range(20)}
    assert len(texts) == 20
    assert all(len(text) == 40 and text.isalnum() and text.isascii() for text in texts)
    with pytest.raises(ApiKeyNameTaken):
        await keys.add("key 0")


async def test_the_catalog_contains_no_text_of_a_key(open_access: Open, keys: KeyRing, tmp_path: Path) -> None:
    texts = [KEY, await keys.add("shop")]
    async with open_access():
        pass
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.name.startswith("imges.db"))
    assert not [text for text in texts if text.encode() in stored]


async def test_hashes_of_one_catalog_differ_from_those_of_another(keys: KeyRing, tmp_path: Path) -> None:
    async with open_catalog(f"sqlite:///{tmp_path / 'other.db'}") as other:
        assert (await KeyRing.open(other)).hash(KEY) != keys.hash(KEY)
