"""`imges catalog`: copies the catalog to another database, and upgrades its schema."""

import asyncio
from contextlib import ExitStack

import click

from imges.catalog import copy_catalog, upgrade_catalog
from imges.cli.owner import prepare
from imges.cli.progress import Bar
from imges.cli.settings_option import settings_option
from imges.processes.lock import held
from imges.settings import Settings
from imges.settings.values import catalog_url


@click.group()
def catalog() -> None:
    """Copy the catalog to another database, or bring its schema up to date."""


def _url(ctx: click.Context, param: click.Parameter, text: str) -> str:  # noqa: ARG001  (click's)
    """The callback of `--to`."""
    try:
        return catalog_url(text)
    except ValueError as error:
        raise click.BadParameter(f"it {error}") from None


@catalog.command()
@click.option(
    "--to",
    "to",
    required=True,
    callback=_url,
    metavar="URL",
    help="postgresql://USER@HOST/NAME or sqlite:///PATH.",
)
@settings_option
def copy(settings: Settings, to: str) -> None:
    """Copy everything to an empty database and compare it: pictures, keys, secrets, what was deleted.

    No server may run meanwhile. If it is interrupted, nothing is copied: run it again. A password need not stand on the
    command line: PostgreSQL's ~/.pgpass and PGPASSWORD count. Exits with 1 if the copy is not the same.
    """
    prepare(settings)
    with ExitStack() as stack:
        stack.enter_context(held(settings.data_dir, command="catalog copy"))
        bar = stack.enter_context(Bar())
        copied = asyncio.run(copy_catalog(settings.catalog_url, to, bar.stage, bar.advance))
    for table, rows in copied.items():
        click.echo(f"{table}: {rows} rows copied and compared")
    click.echo("Now set catalog.url to it, and start the server.")


@catalog.command()
@settings_option
def upgrade(settings: Settings) -> None:
    """Bring the schema up to date for this version of imges.

    Do it with the first node that is updated, before its server starts; nodes of the version before go on. (SQLite
    needs no such step: it is migrated at the start, after a copy.)
    """
    prepare(settings)
    before, now = asyncio.run(upgrade_catalog(settings.catalog_url))
    if before == now:
        click.echo(f"the catalog is up to date (schema {now})")
    elif before is None:
        click.echo(f"the catalog was made (schema {now})")
    else:
        click.echo(f"the catalog went from schema {before} to {now}")
