"""What commands work on without a server: the catalog, its file, the use cases, the context of maintenance.

A command may run beside a server on the same data folder. The parts are imported when they are opened, so that a
command that needs the catalog alone starts quickly.
"""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imges.cli.owner import Outside, prepare
from imges.settings import Settings

if TYPE_CHECKING:
    from imges.catalog import Catalog, Deed
    from imges.maintenance.context import Context
    from imges.pictures import Pictures

T = TypeVar("T")
SQLITE = "sqlite:///"


def with_catalog(settings: Settings, use: Callable[["Catalog"], Awaitable[T]]) -> T:
    """Returns the result of *use*, called with the open catalog."""

    async def run() -> T:
        from imges.catalog import open_catalog

        async with open_catalog(settings.catalog_url) as catalog:
            return await use(catalog)

    prepare(settings)
    return asyncio.run(run())


async def note_command(catalog: "Catalog", deed: "Deed", subject: str, count: int | None = None) -> None:
    """Adds to the trail what a command did, under the name of the account that runs it."""
    try:
        account = getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in containers
        account = str(os.getuid())
    await catalog.trail.add(f"{account} on the server", deed, subject, count)


def with_pictures(settings: Settings, use: Callable[["Pictures"], Awaitable[T]]) -> T:
    """Returns the result of *use*, called with the use cases of pictures, wired as in the server."""

    async def run() -> T:
        from imges.app import open_pictures

        async with open_pictures(settings) as pictures:
            return await use(pictures)

    prepare(settings)
    return asyncio.run(run())


def with_context(
    settings: Settings,
    use: Callable[["Context"], Awaitable[T]],
    outside: Outside = "nothing",
    *,
    lines_on_stderr: bool = False,
) -> T:
    """Returns the result of *use*, called with the context of a maintenance command, which shows its progress.

    *outside* is what the command does outside the data folder and the places. *lines_on_stderr*: see `Bar`.
    """

    async def run() -> T:
        from imges.app import open_pictures
        from imges.cli.progress import Bar
        from imges.maintenance.context import Context
        from imges.maintenance.work_folders import WorkFolder

        with Bar(lines_on_stderr=lines_on_stderr) as bar, WorkFolder.open(settings.data_dir) as work_folder:
            async with (
                open_pictures(settings, spool=work_folder.spool) as pictures,
                Context.open(settings, pictures, work_folder, bar) as context,
            ):
                return await use(context)

    prepare(settings, outside)
    return asyncio.run(run())


def sqlite_file(settings: Settings) -> Path | None:
    """Returns the file of the catalog; `None` for PostgreSQL."""
    url = settings.catalog_url
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None
