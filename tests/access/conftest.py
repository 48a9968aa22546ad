"""An opened catalog, its API keys, and `Access` by the settings of a test."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from imges.access.access import Access
from imges.access.api_keys import KeyRing
from imges.catalog import Catalog, open_catalog
from imges.settings import Api, Limits, Settings
from tests.access.opening import KEY, Clocks, Open


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
async def catalog(tmp_path: Path, clocks: Clocks) -> AsyncIterator[Catalog]:
    async with open_catalog(f"sqlite:///{tmp_path / 'imges.db'}", clocks.now) as catalog:
        yield catalog


@pytest.fixture
async def keys(catalog: Catalog) -> KeyRing:
    return await KeyRing.open(catalog)


@pytest.fixture
def open_access(tmp_path: Path, catalog: Catalog, clocks: Clocks) -> Open:
    """Opens `Access` with `api.key` and *limits* as given, and without any other limit."""

    def opened(key: str | None = KEY, *, guest_uploads: bool = True, **limits: Any) -> Any:
        off: dict[str, Any] = {"uploads": None, "wrong_keys": None, "disk_reserve": 0}
        settings = Settings(
            data_dir=tmp_path,
            api=Api(key=key, guest_uploads=guest_uploads),
            limits=Limits(**{**off, **limits}),
        )
        return Access.open(settings, catalog, clocks.now, clocks.clock)

    return opened
