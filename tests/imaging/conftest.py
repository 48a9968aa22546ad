"""Fixtures for all tests of imaging: both processors, and the files that they make in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imges.imaging import header, worker
from imges.imaging.render import render
from imges.imaging.types import MEDIA_TYPES, Given, Processor, Recipe, Renditions

Rendered = Callable[..., Renditions]


@pytest.fixture(params=["vips", "pillow"])
def processor(request: pytest.FixtureRequest) -> Processor:
    loaded = worker.load(request.param)
    assert loaded is not None, "libvips cannot be loaded"
    return loaded


@pytest.fixture
def rendered(processor: Processor, tmp_path: Path) -> Rendered:
    """Makes all files of a picture from its bytes, as an upload does."""

    def rendered(data: bytes, **recipe: Any) -> Renditions:
        source = tmp_path / "source"
        source.write_bytes(data)
        found = header.inspect(source, frozenset(MEDIA_TYPES))
        return render(processor, Given(source, len(data)), found, Recipe(**recipe), tmp_path)

    return rendered
