"""`imges check`: whether what the settings describe works, and what to change where it does not."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import click

from imges.access import free_bytes
from imges.app import catalog_url
from imges.catalog import open_catalog
from imges.cli.common import settings_option
from imges.errors import ImgesError, SettingsError
from imges.imaging import open_imaging
from imges.places import none_lost
from imges.settings import Settings, prepare_data_dir
from imges.storage import StorageError, StorageUnavailable, open_storage
from imges.web.present import size_formatted


@click.command()
@settings_option
def check(settings: Settings) -> None:
    """Look at settings, folders, storages, catalog and decoders; exits with 1 if anything is wrong."""
    click.echo("settings: good")
    parts: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("data folder", lambda: _data_folder(settings)),
        *((f"storage {name}", lambda name=name: _storage(settings, name)) for name in settings.storages),
        ("catalog", lambda: _catalog(settings)),
        ("images", lambda: _images(settings)),
    ]
    found_good = [asyncio.run(_tell(name, look)) for name, look in parts]
    if not all(found_good):
        raise SystemExit(1)


async def _tell(name: str, look: Callable[[], Awaitable[str]]) -> bool:
    """Whether *look* finds nothing wrong; what it finds is printed."""
    try:
        click.echo(f"{name}: good, {await look()}")
    except ImgesError as error:
        problems = error.problems if isinstance(error, SettingsError) else (error.message,)
        for problem in problems:
            click.echo(f"{name}: WRONG: {problem}")
        return False
    return True


async def _data_folder(settings: Settings) -> str:
    prepare_data_dir(settings)
    free, reserve = free_bytes(settings.data_dir), settings.limits.disk_reserve
    if free < reserve:
        raise SettingsError(
            f"limits.disk_reserve is {size_formatted(reserve)}: only {size_formatted(free)} are free below "
            f"{str(settings.data_dir)!r}, so uploads are refused; make room, or lower it"
        )
    return f"{size_formatted(free)} free"


async def _storage(settings: Settings, name: str) -> str:
    try:
        storage = await open_storage(name, settings.storages[name])
        try:
            await storage.check()
        finally:
            await storage.close()
    except StorageError as error:
        raise StorageUnavailable(error.told_of(name)) from error
    new = " (new pictures go here)" if name == settings.storage else ""
    return f"an object was put, read, compared and deleted{new}"


async def _catalog(settings: Settings) -> str:
    async with open_catalog(catalog_url(settings)) as catalog:
        await catalog.check()
        keys = await catalog.keys()
        none_lost(settings.storages, await catalog.counts())
    return f"it reads and writes; {sum(key.pictures for key in keys)} pictures of {len(keys)} API keys"


async def _images(settings: Settings) -> str:
    async with AsyncExitStack() as stack:
        imaging = await stack.enter_async_context(
            open_imaging(
                settings.images.processor,
                workers=1,
                limit=settings.images.timeout,
                memory=settings.images.memory,
                spool=settings.data_dir / "spool",
            )
        )
        cage = await imaging.cage()
        return f"{await imaging.ready()} works with {', '.join(settings.images.formats)}, kept in by {cage}"
