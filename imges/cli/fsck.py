"""`imges fsck`: checks whether every picture has its files and every file its picture, and mends that."""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import click

from imges.catalog import Catalog, DamagedDatabase, open_catalog
from imges.cli.opening import sqlite_file, with_context
from imges.cli.owner import prepare
from imges.cli.settings_option import settings_option
from imges.errors import SettingsError
from imges.maintenance.context import Context
from imges.maintenance.fsck import Checks
from imges.maintenance.fsck import fsck as check
from imges.maintenance.fsck_findings import Findings
from imges.processes.lock import held
from imges.settings import Settings


@click.command()
@click.option("--repair", is_flag=True, help="Put right what can be; without it nothing is changed.")
@click.option("--digests", is_flag=True, help="Read every file and compare its bytes, not its size alone.")
@click.option("--give-up", is_flag=True, help="With --repair, give pictures up even where most of a storage are lost.")
@click.option("--restored", is_flag=True, help="With --repair, right after pg_restore and before a server starts.")
@click.option("--rebuild", is_flag=True, help="Make a new catalog of the pictures, where the database is gone.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON; findings are lines on stderr.")
@settings_option
def fsck(
    settings: Settings, *, repair: bool, digests: bool, give_up: bool, restored: bool, rebuild: bool, as_json: bool
) -> None:
    """Compare the catalog with the storages, both ways. May run beside a running server.

    With --restored, uploads that were under way when the catalog was copied are forgotten before, so that their files
    are taken in: they may have been finished since. `imges restore` does so by itself.

    Exits with 0 when nothing is wrong (any more), with 1 while something is.
    """
    if restored and not repair:
        raise click.UsageError("--restored goes with --repair.")
    checks = Checks(repair=repair or rebuild, digests=digests, give_up=give_up, rebuild=rebuild)

    async def use(context: Context) -> tuple[Findings, int]:
        if restored:
            await context.catalog.images.forget_unfinished()
        await _end_dead_leases(context)
        findings = await check(context, checks)
        return findings, await _pictures(context.catalog)

    with _empty_catalog(settings) if rebuild else nullcontext():
        findings, pictures = with_context(settings, use, lines_on_stderr=as_json)
    if as_json:
        told = {"wrong": findings.left, "mended": findings.mended, "notes": dict(findings.notes), "pictures": pictures}
        click.echo(json.dumps(told))
    else:
        _report(findings, pictures if rebuild else None)
    if findings.left:
        raise SystemExit(1)


def _report(findings: Findings, rebuilt: int | None) -> None:
    """*rebuilt*: pictures of the new catalog, if one was made."""
    for note, count in sorted(findings.notes.items()):
        click.echo(f"note: {count} {note}")
    if rebuilt is not None:
        click.echo(f"the new catalog has {rebuilt} pictures; the addresses of their files are as they were")
        click.echo("their viewers have new addresses; titles, expiry dates, delete links and API keys are gone")
    click.echo(_verdict(findings))


async def _end_dead_leases(context: Context) -> None:
    """Ends the leases of a `serve` that was killed, so that what it left pending is taken away at once.

    Does nothing while a server runs on the data folder: that one renews its own.
    """
    try:
        with held(context.settings.data_dir, command="fsck") as lock:
            for lease in lock.former_leases:
                await context.catalog.leases.give_back(lease)
    except SettingsError:
        pass


def _verdict(findings: Findings) -> str:
    if not findings.left:
        return f"all {findings.mended} mended; nothing is wrong now" if findings.mended else "nothing is wrong"
    if findings.repair:
        return f"{findings.mended} mended, {findings.left} still wrong"
    return f"{findings.left} wrong; `imges fsck --repair` does what the lines above say"


@contextmanager
def _empty_catalog(settings: Settings) -> Generator[None]:
    """Makes sure that the catalog is missing or has no pictures, and keeps servers away during the block.

    Moves a damaged database aside. Raises `SettingsError` if a server runs on the data folder, or if the catalog has
    pictures.
    """
    prepare(settings)
    with held(settings.data_dir, command="fsck --rebuild"):
        try:
            pictures = asyncio.run(_count(settings))
        except DamagedDatabase:
            _move_aside(settings)
            pictures = 0
        if pictures:
            raise SettingsError(
                f"the catalog has {pictures} pictures: --rebuild is for a catalog that is gone; "
                "`imges fsck --repair` takes in files that are missing in it"
            )
        yield


async def _count(settings: Settings) -> int:
    async with open_catalog(settings.catalog_url) as catalog:
        return await _pictures(catalog)


async def _pictures(catalog: Catalog) -> int:
    return sum((await catalog.figures.by_place()).values())


def _move_aside(settings: Settings) -> None:
    database = sqlite_file(settings)
    assert database is not None  # only a file is found to be damaged
    ending = f".damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for suffix in ("", "-wal", "-shm"):
        file = Path(f"{database}{suffix}")
        if file.exists():
            file.rename(f"{database}{ending}{suffix}")
    click.echo(f"the damaged database is in {database}{ending} now")
