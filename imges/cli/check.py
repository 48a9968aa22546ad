"""`imges check`: whether what the settings describe works, and what to change where it does not."""

import asyncio
from pathlib import Path

import click

from imges.cli import public as public_address
from imges.cli.common import settings_option
from imges.cli.findings import told
from imges.cli.looks import looks
from imges.cli.printing import FILES, printed
from imges.settings import Settings


@click.command()
@click.option("--public", is_flag=True, help="Also upload a picture through server.public_url, and delete it again.")
@click.option("--print", "kind", type=click.Choice(list(FILES)), help="Print a file made from the settings instead.")
@settings_option
def check(settings: Settings, *, public: bool, kind: str | None) -> None:
    """Look at settings, folders, disk, memory, storages, catalog and decoders; exits with 1 if anything is wrong.

    Each finding says what is wrong, what it breaks, and what to change.
    """
    if kind is not None:
        click.echo(printed(kind, settings), nl=False)
        return
    path: Path | None = click.get_current_context().params["settings_path"]
    if not asyncio.run(_looked(settings, path, public=public)):
        raise SystemExit(1)


async def _looked(settings: Settings, path: Path | None, *, public: bool) -> bool:
    good = [await told(part, look, breaks=breaks) for part, breaks, look in looks(settings, path)]
    if public:
        good.append(await told("public address", lambda: public_address.look(settings)))
    return all(good)
