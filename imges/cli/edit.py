"""`imges edit`: title, description, tags and end of pictures."""

import click

from imges.cli.opening import with_pictures
from imges.cli.settings_option import settings_option
from imges.errors import ImgesError
from imges.pictures import Pictures
from imges.pictures.changing import Changes
from imges.settings import Settings
from imges.web.api.upload_options import changes_in


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--title", help="An empty text clears it; the same for the next two.")
@click.option("--description")
@click.option("--tags", help="All tags, with commas between them.")
@click.option("--add-tags", "tags_add", help="Tags to add.")
@click.option("--remove-tags", "tags_remove", help="Tags to take away.")
@click.option("--nsfw", type=click.Choice(["0", "1"]), help="Whether it is not safe for work.")
@click.option("--expiration", help="How long from now: PT5M, P3D or seconds. An empty text: for ever.")
@settings_option
def edit(settings: Settings, ids: tuple[str, ...], **fields: str | None) -> None:
    """Edit pictures by ID. What is not named stays as it is.

    A running server shows it within half a minute. Exits with 1 if an ID is unknown or gone.
    """
    changes = changes_in({name: text for name, text in fields.items() if text is not None})
    if not changes:
        raise click.UsageError("Name what to change, such as --title TEXT.")
    if not with_pictures(settings, lambda pictures: _edit(pictures, ids, changes)):
        raise SystemExit(1)


async def _edit(pictures: Pictures, ids: tuple[str, ...], changes: Changes) -> bool:
    """Returns whether all of *ids* were there and are edited. Goes on after a failure."""
    good = True
    for image_id in ids:
        try:
            await pictures.changing.edit(await pictures.finding.by_id(image_id), changes)
            click.echo(f"edited {image_id}")
        except ImgesError as error:
            click.echo(f"{image_id}: {error.message}", err=True)
            good = False
    return good
