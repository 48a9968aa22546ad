"""What the maintenance commands share."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from imges.app import open_service
from imges.cli.progress import Bar
from imges.errors import SettingsError
from imges.lock import held
from imges.maintenance.tools import Tools
from imges.maintenance.workroom import Workroom
from imges.options import size
from imges.settings import Settings, prepare_data_dir

T = TypeVar("T")
SQLITE = "sqlite:///"


def with_tools(settings: Settings, use: Callable[[Tools], Awaitable[T]]) -> T:
    """The result of *use*, called with all that maintenance works with; it shows its progress."""

    async def run() -> T:
        prepare_data_dir(settings)
        with Bar() as bar, Workroom.open(settings.data_dir) as room:
            async with (
                open_service(settings, spool=room.spool) as service,
                Tools.open(settings, service, room, bar) as tools,
            ):
                return await use(tools)

    return asyncio.run(run())


def sqlite_file(settings: Settings) -> Path | None:
    """The file of the catalog; `None` for PostgreSQL."""
    url = settings.catalog_url
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


async def end_dead_lease(tools: Tools) -> None:
    """What a killed `serve` left pending is nobody's at once, if none runs on the data folder now."""
    try:
        with held(tools.settings.data_dir) as lock:
            for lease in lock.former_leases:
                await tools.service.catalog.give_lease_back(lease)
    except SettingsError:  # one runs, and looks after its own
        pass


def bytes_a_second(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:  # noqa: ARG001  (click's)
    """The callback of an option that takes a size."""
    try:
        found = None if text is None else size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if found == 0:
        raise click.BadParameter("should be more than nothing")
    return found
