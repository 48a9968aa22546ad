"""`imges rebuild`: makes thumbs and mediums again."""

import os

import click

from imges.cli.opening import with_context
from imges.cli.settings_option import settings_option
from imges.maintenance.context import Context
from imges.maintenance.rebuild import Rebuilt
from imges.maintenance.rebuild import rebuild as make_again
from imges.settings import Settings


@click.command()
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only this picture; may be given several times.")
@click.option("--changed", is_flag=True, help="Only where the size is not what the settings ask for.")
@settings_option
def rebuild(settings: Settings, *, ids: tuple[str, ...], changed: bool) -> None:
    """Make thumbs and mediums again from the originals, after a change of images.thumb, medium or quality.

    If it is interrupted after a change of sizes, `--changed` goes on with those that are left. Exits with 1 if one
    could not be made.
    """
    parallel = settings.images.workers or os.cpu_count() or 1

    async def use(context: Context) -> Rebuilt:
        return await make_again(context, ids, changed=changed, parallel=parallel)

    done = with_context(settings, use)
    click.echo(f"thumbs and mediums of {done.pictures} pictures were made again")
    if done.failed:
        click.echo(f"{done.failed} could not be made", err=True)
        raise SystemExit(1)
