"""Expires and moves pictures when a line on standard input says so: `upload`, `sweep`, `migrate PLACE`.

It answers each line with a line: `done`, with what an upload has made, or the class of the error.
"""

import asyncio
import sys
from typing import Any

import click

from imges.access.access import Access
from imges.app import open_pictures
from imges.catalog import GUEST
from imges.errors import ImgesError
from imges.maintenance.context import Context
from imges.maintenance.migrate import Move, migrate
from imges.maintenance.work_folders import WorkFolder
from imges.pictures.drafts import Uploader, UploadOptions
from imges.receiving.intake import Received
from imges.receiving.spool import SpoolWriter
from imges.settings import load_settings
from tests import drawn


class Quiet:
    """A progress that shows nothing."""

    def stage(self, what: str, total: int | None = None) -> None: ...

    def advance(self, pieces: int = 1, size: int = 0) -> None: ...

    def say(self, line: str) -> None:
        click.echo(line, err=True)


async def upload(context: Context, _: str) -> None:
    guest = next(key for key in await context.catalog.keys.all() if key.name == GUEST)
    async with context.work_folder.folder() as folder:
        writer = SpoolWriter(folder / "received", 2**20)
        await writer.write(drawn.png())
        received = Received(await writer.finish(), "example.png", "file")
        await context.pictures.storing.upload(received, UploadOptions(), Uploader(guest, None), folder)


async def sweep(context: Context, _: str) -> None:
    await context.pictures.sweeping.sweep()


async def move(context: Context, place: str) -> None:
    moved = await migrate(context, Move(to=context.places[place]))
    if moved.failed:
        click.echo(f"{moved.failed} failed", err=True)
        raise ImgesError


ORDERS: dict[str, Any] = {"upload": upload, "sweep": sweep, "migrate": move}


async def main() -> None:
    settings = load_settings()
    settings.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    with WorkFolder.open(settings.data_dir) as work_folder:
        async with (
            open_pictures(settings, spool=work_folder.spool) as pictures,
            Access.open(settings, pictures.catalog),
            Context.open(settings, pictures, work_folder, Quiet()) as context,
        ):
            await pictures.sweeping.undo_the_rest()
            click.echo("ready")
            while line := await asyncio.to_thread(sys.stdin.readline):
                order, _, what = line.strip().partition(" ")
                try:
                    await ORDERS[order](context, what)
                    click.echo("done")
                except ImgesError as error:
                    click.echo(type(error).__name__)


if __name__ == "__main__":
    asyncio.run(main())
