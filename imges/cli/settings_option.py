"""The `--settings` option, which almost every command has."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from imges.cli.errors import reporting_errors
from imges.settings import load_settings

T = TypeVar("T")


def settings_option(command: Callable[..., T]) -> Callable[..., T]:
    """Adds `--settings PATH` to *command*, which is called with a `Settings`. Wrong settings end it with status 2."""

    @click.option(
        "--settings",
        "settings_path",
        type=click.Path(path_type=Path),
        help="The settings file; else ./settings.yaml, $XDG_CONFIG_HOME/imges/settings.yaml, /etc/imges/settings.yaml.",
    )
    @functools.wraps(command)
    def with_settings(*args: Any, settings_path: Path | None, **kwargs: Any) -> T:
        with reporting_errors():
            settings = load_settings(settings_path)
            return command(*args, settings=settings, **kwargs)

    return with_settings
