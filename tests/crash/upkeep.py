"""What expires and moves pictures by itself, told by lines on standard input when to do it: `upload`, `sweep`,
`migrate PLACE`. Each is answered by a line: `done`, with what an upload has made, or the name of the error.
"""

import asyncio
import sys
from typing import Any

import click

from imges.access import Access
from imges.app import open_service
from imges.catalog import GUEST
from imges.errors import ImgesError
from imges.intake import Received, SpoolWriter
from imges.maintenance.migrate import Move, migrate
from imges.maintenance.tools import Tools
from imges.maintenance.workroom import Workroom
from imges.service import Uploader, UploadOptions
from imges.settings import load_settings
from tests import pictures


class Quiet:
    """A progress that tells nothing."""

    def stage(self, what: str, total: int | None = None) -> None: ...

    def advance(self, pieces: int = 1, size: int = 0) -> None: ...

    def say(self, line: str) -> None:
        click.echo(line, err=True)


async def upload(tools: Tools, _: str) -> None:
    guest = next(key for key in await tools.service.catalog.keys() if key.name == GUEST)
    async with tools.room.folder() as folder:
        writer = SpoolWriter(folder / "received", 2**20)
        await writer.write(pictures.png())
        received = Received(await writer.finish(), "example.png", "file")
        await tools.service.upload(received, UploadOptions(), Uploader(guest, None), folder)


async def sweep(tools: Tools, _: str) -> None:
    await tools.service.sweep()


async def move(tools: Tools, place: str) -> None:
    moved = await migrate(tools, Move(to=tools.service.places[place]))
    if moved.failed:
        click.echo(f"{moved.failed} failed", err=True)
        raise ImgesError


ORDERS: dict[str, Any] = {"upload": upload, "sweep": sweep, "migrate": move}


async def main() -> None:
    settings = load_settings()
    settings.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    with Workroom.open(settings.data_dir) as room:
        async with (
            open_service(settings, spool=room.spool) as service,
            Access.open(settings, service.catalog),
            Tools.open(settings, service, room, Quiet()) as tools,
        ):
            await service.take_back()
            click.echo("ready")
            while line := await asyncio.to_thread(sys.stdin.readline):
                order, _, what = line.strip().partition(" ")
                try:
                    await ORDERS[order](tools, what)
                    click.echo("done")
                except ImgesError as error:
                    click.echo(type(error).__name__)


if __name__ == "__main__":
    asyncio.run(main())
