"""`imges import` and `imges export`: pictures of another site or another imges, in and out."""

import os
from pathlib import Path

import click

from imges.bytesize import size_formatted
from imges.catalog import GUEST, NoSuchApiKey
from imges.cli.errors import reporting_os_errors
from imges.cli.opening import with_context
from imges.cli.settings_option import settings_option
from imges.maintenance.context import Context
from imges.maintenance.exporting import Exported, take_out
from imges.maintenance.importing import Imported, Wanted, bring_in
from imges.settings import Settings


@click.command(name="import")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--strip", is_flag=True, help="Take metadata out of the originals; without it they stay as they are.")
@click.option(
    "--chevereto-db",
    "dump",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="DUMP.sql",
    help="A MySQL dump of Chevereto (also .sql.gz): titles, dates, views and the addresses of viewers.",
)
@click.option("--key", default=GUEST, show_default=True, help="The name of the API key that the pictures become.")
@settings_option
def import_(settings: Settings, folder: Path, *, strip: bool, dump: Path | None, key: str) -> None:
    """Take in the pictures below DIR, under their old addresses.

    DIR is Chevereto's `images` folder, an export of imges, or any folder with folders of dates:
    2014/06/04/example.png is served as /images/2014/06/04/example.png. Interrupted, it is run again. Files that are
    not taken are listed with the reason; exits with 1 if nothing at all came in for such reasons, or if a line of
    pictures.jsonl could not be read.
    """

    async def use(context: Context) -> Imported:
        if key != GUEST and key not in {known.name for known in await context.catalog.keys.all()}:
            raise NoSuchApiKey(key)
        return await bring_in(context, Wanted(folder, strip=strip, dump=dump, api_key=key, parallel=_workers(settings)))

    with reporting_os_errors(folder):
        done = with_context(settings, use, outside="read")
    metadata = "without their metadata" if strip else "as they were"
    click.echo(f"{done.pictures} pictures came in ({size_formatted(done.size)}), {metadata}")
    for count, what in (
        (done.present, "were here already"),
        (done.refused, "files were left out, as listed above"),
        (done.unreadable, "lines of pictures.jsonl could not be read: mend them, and run it again"),
        (done.without_file, "pictures in the list or dump have no file here"),
    ):
        if count:
            click.echo(f"{count} {what}")
    if done.unreadable or (done.refused and not done.pictures + done.present):
        raise SystemExit(1)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@settings_option
def export(settings: Settings, folder: Path) -> None:
    """Write every original, and a line of JSON for each picture (pictures.jsonl), to DIR.

    `imges import DIR` reads it back, ids and delete links included. If it is interrupted, run it again. Exits with 1 if
    a picture could not be written, for example because a folder or a pipe is in its place.
    """

    async def use(context: Context) -> Exported:
        return await take_out(context, folder, parallel=4)

    with reporting_os_errors(folder):
        done = with_context(settings, use, outside="write")
    click.echo(f"{done.pictures} pictures ({size_formatted(done.size)}) are in {click.format_filename(folder)}")
    if done.failed:
        click.echo(f"{done.failed} could not be written", err=True)
        raise SystemExit(1)


def _workers(settings: Settings) -> int:
    return settings.images.workers or os.cpu_count() or 1
