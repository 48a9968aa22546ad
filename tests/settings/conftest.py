"""Keeps settings of the machine out of the tests."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, so that no settings.yaml of the machine is read."""
    monkeypatch.chdir(tmp_path)
