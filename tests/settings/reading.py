"""How the tests of this room read settings."""

from pathlib import Path

import pytest

from imges.errors import SettingsError
from imges.settings import Settings, load_settings


def from_file(text: str, environ: dict[str, str] | None = None) -> Settings:
    Path("settings.yaml").write_text(text, encoding="utf-8")
    return load_settings(environ=environ or {})


def from_environment(**texts: str) -> Settings:
    return load_settings(environ={f"IMGES__{name}": text for name, text in texts.items()})


def complaints(read, *args, **kwargs) -> list[str]:
    with pytest.raises(SettingsError) as error:
        read(*args, **kwargs)
    return list(error.value.problems)
