from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.maintenance.collection import Library, open_library


@pytest.fixture
async def library(tmp_path: Path) -> AsyncGenerator[Library]:
    async with open_library(tmp_path / "data") as library:
        yield library
