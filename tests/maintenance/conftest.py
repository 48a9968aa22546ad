from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.maintenance.library import Library, open_library
from tests.servers import seaweedfs as seaweedfs  # noqa: PLC0414  (a fixture)


@pytest.fixture
async def library(tmp_path: Path) -> AsyncGenerator[Library]:
    async with open_library(tmp_path / "data") as library:
        yield library
