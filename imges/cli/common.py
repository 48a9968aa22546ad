"""What all commands share: the `--settings` option, errors as messages, and a service without a server."""

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from imges.errors import ImgesError, SettingsError
from imges.settings import Settings, load_settings, prepare_data_dir

if TYPE_CHECKING:
    from imges.catalog import Catalog
    from imges.service import Service

T = TypeVar("T")


def settings_option(command: Callable[..., T]) -> Callable[..., T]:
    """`--settings PATH`; the command gets a `Settings`. Wrong ones end it with exit status 2."""

    @click.option(
        "--settings",
        "settings_path",
        type=click.Path(path_type=Path),
        help="The settings file; else ./settings.yaml, $XDG_CONFIG_HOME/imges/settings.yaml, /etc/imges/settings.yaml.",
    )
    @functools.wraps(command)
    def with_settings(*args: Any, settings_path: Path | None, **kwargs: Any) -> T:
        with telling_errors():
            settings = load_settings(settings_path)
            return command(*args, settings=settings, **kwargs)

    return with_settings


@contextmanager
def telling_errors() -> Generator[None]:
    """`SettingsError` → its sentences and exit 2; any other error of ours → its message and exit 1; no traceback."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            click.echo(f"imges: {problem}", err=True)
        sys.exit(2)
    except ImgesError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(1)


@contextmanager
def telling_os_errors(where: Path) -> Generator[None]:
    """`OSError` → an error of ours with the name of the file, or *where* it was (a full disk names none)."""
    try:
        yield
    except OSError as error:
        raise ImgesError(f"{error.filename or where}: {error.strerror or error}") from error


def with_service(settings: Settings, use: Callable[["Service"], Awaitable[T]]) -> T:
    """The result of *use*, called with a service like the server's; both may be open on one data folder."""

    async def run() -> T:
        from imges.app import open_service

        prepare_data_dir(settings)
        async with open_service(settings) as service:
            return await use(service)

    return asyncio.run(run())


def with_catalog(settings: Settings, use: Callable[["Catalog"], Awaitable[T]]) -> T:
    """The result of *use*, called with the catalog alone."""

    async def run() -> T:
        from imges.catalog import open_catalog

        prepare_data_dir(settings)
        async with open_catalog(settings.catalog_url) as catalog:
            return await use(catalog)

    return asyncio.run(run())
