"""`imges albums`: lists, shows, makes and deletes albums."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from imges.catalog import Album, Cursor, utc_now
from imges.cli.opening import with_pictures
from imges.cli.settings_option import settings_option
from imges.errors import ImgesError
from imges.pictures import Pictures
from imges.pictures.albums import AlbumChanges, album_name
from imges.settings import Settings

PAGE = 500


@click.group()
def albums() -> None:
    """List, show, make and delete albums."""


async def _all(pictures: Pictures, key: str | None) -> list[Album]:
    found: list[Album] = []
    last: Cursor | None = None
    while page := await pictures.catalog.albums.page(api_key=key, now=utc_now(), limit=PAGE, older_than=last):
        found += page
        last = Cursor(page[-1].created, page[-1].number)
    return found


def _described(album: Album, count: int) -> dict[str, Any]:
    return {
        "id": album.id,
        "name": album.name,
        "key": album.api_key,
        "pictures": count,
        "privacy": album.privacy,
        "sort": album.sort,
        "created": album.created.isoformat(),
        "expires": album.expires and album.expires.isoformat(),
    }


@albums.command(name="list")
@click.option("--key", help="Only those of the API key of this name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@settings_option
def list_(settings: Settings, key: str | None, *, as_json: bool) -> None:
    """List the albums, newest first."""

    async def use(pictures: Pictures) -> list[dict[str, Any]]:
        count = pictures.albums.contents.count
        return [_described(album, await count(album)) for album in await _all(pictures, key)]

    found = with_pictures(settings, use)
    if as_json:
        click.echo(json.dumps(found))
        return
    table = Table("id", "name", "key", "pictures", "privacy", "created", "ends", box=None)
    for album in found:
        days = [(album[name] or "")[:10] for name in ("created", "expires")]
        table.add_row(*[str(album[name]) for name in ("id", "name", "key", "pictures", "privacy")], *days)
    console = Console()
    if not console.is_terminal:
        console.width = 240  # programs read one line for each album
    console.print(table)


@albums.command()
@click.argument("id_", metavar="ID")
@settings_option
def show(settings: Settings, id_: str) -> None:
    """Print the ids of the pictures of the album ID, in its order."""

    async def use(pictures: Pictures) -> None:
        album = await pictures.albums.by_id(id_)
        after = None
        while True:
            images, after = await pictures.albums.contents.page(album, limit=PAGE, after=after)
            for image in images:
                click.echo(image.id)
            if after is None:
                return

    with_pictures(settings, use)


@albums.command()
@click.argument("name")
@click.option("--key", required=True, help="The name of the API key that it is to belong to.")
@settings_option
def make(settings: Settings, name: str, key: str) -> None:
    """Make an album named NAME, and print its id. The key of guests gets an edit token too."""

    async def use(pictures: Pictures) -> None:
        owner = next((each for each in await pictures.catalog.keys.all() if each.name == key), None)
        if owner is None:
            raise ImgesError(f"there is no API key named {key}")
        made = await pictures.albums.make(owner, album_name(name), AlbumChanges())
        click.echo(made.album.id if made.edit_token is None else f"{made.album.id} {made.edit_token}")

    with_pictures(settings, use)


@albums.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--pictures", "with_them", is_flag=True, help="Delete the pictures of its key in it, too.")
@settings_option
def delete(settings: Settings, ids: tuple[str, ...], *, with_them: bool) -> None:
    """Delete albums by ID. Their pictures stay, unless --pictures is given. Exits with 1 if an ID is unknown."""

    async def use(pictures: Pictures) -> bool:
        good = True
        for each in ids:
            try:
                await pictures.albums.delete(await pictures.albums.by_id(each), pictures=with_them)
                click.echo(f"deleted {each}")
            except ImgesError as error:
                click.echo(f"{each}: {error.message}", err=True)
                good = False
        return good

    if not with_pictures(settings, use):
        raise SystemExit(1)
