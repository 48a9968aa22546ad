"""`imges import` and `imges export`: pictures of another host or another imges, in and out."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imges.bytesize import size_formatted
from imges.catalog import GUEST, ApiKeyNameTaken, NoSuchApiKey
from imges.cli.errors import reporting_os_errors
from imges.cli.opening import with_context
from imges.cli.settings_option import settings_option
from imges.maintenance.context import Context
from imges.maintenance.exporting import Exported, take_out
from imges.maintenance.hosts import KINDS, host_of
from imges.maintenance.importing import Imported, MakeKey, Wanted, bring_in
from imges.maintenance.source import Also, old_path
from imges.maintenance.trial import Trial, rehearse, try_address
from imges.settings import Settings

if TYPE_CHECKING:
    from imges.maintenance.hosts.host import Host

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)

TOLD = 5
"""Names of API keys that are printed; of more, how many there are."""


def _prefix(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """Returns the path of *given* without the slashes at its end; `""` for `/`."""
    if given is None:
        return None
    path = old_path(f"{given.rstrip('/')}/x")
    if path is None:
        raise click.BadParameter("should be the path that the folder had at the old host, such as /i")
    return path.removesuffix("/x")


@click.command(name="import")
@click.argument("folder", metavar="SOURCE", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--from", "kind", type=click.Choice(KINDS), help="The host that SOURCE comes from.")
@click.option("--dump", type=FILE, metavar="FILE", help="What that host's database knows; see docs/moving.md.")
@click.option("--chevereto-db", "chevereto", type=FILE, metavar="FILE", help="--from chevereto --dump FILE")
@click.option("--site", metavar="PREFIX", help="The site's prefix of tables, if a dump has several sites.")
@click.option(
    "--map", "old_map", type=FILE, metavar="FILE.csv", help="Further old addresses: lines with an old path and a file."
)
@click.option(
    "--keep-paths",
    "below",
    metavar="PATH",
    callback=_prefix,
    help="The path that SOURCE had at the old host, such as /i: each file keeps its address below it.",
)
@click.option("--keys", is_flag=True, help="Take users' upload tokens over as the texts of their API keys.")
@click.option("--strip", is_flag=True, help="Take metadata out of the originals; without it they stay as they are.")
@click.option("--key", help="The API key that all pictures get; without it each user of the host has a disabled one.")
@click.option("--dry-run", is_flag=True, help="Only say what would come in, and where ten old addresses would lead.")
@click.option("--try", "tried", metavar="URL", help="Only say which picture an address at the old host shows.")
@settings_option
def import_(settings: Settings, folder: Path, **options: Any) -> None:
    """Take in the pictures below SOURCE, under their old addresses.

    Without --from, SOURCE is an export of imges or a folder with folders of dates: 2014/06/04/example.png is served as
    /images/2014/06/04/example.png. Interrupted, it is run again; with a better dump it mends what it brought before.
    Files that are not taken are listed with the reason; exits with 1 if nothing at all came in for such reasons, or if
    a line of pictures.jsonl or of the map could not be read.
    """
    host, tried = _host(options), options["tried"]

    async def use(context: Context) -> Imported | Trial | str | None:
        wanted = await _wanted(context, folder, host, options)
        if tried is not None:
            return await try_address(context, wanted, tried)
        return await (rehearse if options["dry_run"] else bring_in)(context, wanted)

    with reporting_os_errors(folder):
        done = with_context(settings, use, outside="read")
    if isinstance(done, Imported):
        _tell_imported(done, host, strip=options["strip"])
    elif isinstance(done, Trial):
        _tell_trial(done, host)
    elif done is None:
        click.echo(f"{tried} is the address of no picture here: try an address that works at the old host")
        raise SystemExit(1)
    else:
        click.echo(done)


def _host(options: dict[str, Any]) -> "Host":
    chevereto = options["chevereto"]
    kind, dump = ("chevereto", chevereto) if chevereto else (options["kind"], options["dump"])
    return host_of(kind, dump, site=options["site"], owners=options["key"] is None, tokens=options["keys"])


async def _wanted(context: Context, folder: Path, host: "Host", options: dict[str, Any]) -> Wanted:
    """Raises `NoSuchApiKey` if the pictures should become those of a key that does not exist."""
    key = options["key"]
    if key is not None and key not in {GUEST, *(known.name for known in await context.catalog.keys.all())}:
        raise NoSuchApiKey(key)
    return Wanted(
        folder,
        host,
        Also(options["old_map"], options["below"]),
        strip=options["strip"],
        api_key=key or GUEST,
        parallel=_workers(context.settings),
        make_key=await _key_maker(context),
    )


async def _key_maker(context: Context) -> MakeKey:
    from imges.access.api_keys import KeyRing

    ring = await KeyRing.open(context.catalog)

    async def make(name: str, text: str | None) -> bool:
        try:
            await ring.add(name, enabled=False, text=text)
        except ApiKeyNameTaken:
            return False
        return True

    return make


def _tell(*counts: tuple[int, str]) -> None:
    for count, what in counts:
        if count:
            click.echo(f"{count} {what}")


def _tell_host(host: "Host") -> None:
    for what, count in sorted(host.counted.items()):
        _tell((count, f"{what} do not come along"))


def _tell_imported(done: Imported, host: "Host", *, strip: bool) -> None:
    metadata = "without their metadata" if strip else "as they were"
    click.echo(f"{done.pictures} pictures came in ({size_formatted(done.size)}), {metadata}")
    _tell(
        (done.present, "were here already"),
        (done.mended, "of them were mended"),
        (done.refused, "files or rows were left out, as listed above"),
        (done.unreadable, "lines could not be read: mend them, and run it again"),
        (done.without_file, "pictures in the list or dump have no file here"),
    )
    _tell_host(host)
    _tell_keys(done, host)
    if done.old_addresses:
        click.echo(f"{done.old_addresses} old addresses were kept; try: {' '.join(done.samples)}")
    if done.unreadable or (done.refused and not done.pictures + done.present):
        raise SystemExit(1)


def _tell_keys(done: Imported, host: "Host") -> None:
    known = [name for name in done.keys if host.owners.texts[name] is not None]
    unknown = [name for name in done.keys if host.owners.texts[name] is None]
    if known:
        click.echo(f"{len(known)} users have an API key with their old token, disabled; let them upload again by")
        _tell_some(known, lambda name: f"  imges keys enable {name}")
    if unknown:
        click.echo(f"{len(unknown)} users have a disabled API key whose text nobody knows; give them a new one by")
        _tell_some(unknown, lambda name: f"  imges keys revoke {name} && imges keys add {name}")


def _tell_some(names: list[str], line: Callable[[str], str]) -> None:
    for name in names[:TOLD]:
        click.echo(line(name))
    if len(names) > TOLD:
        click.echo(f"  … and {len(names) - TOLD} more, see `imges keys list`")


def _tell_trial(trial: Trial, host: "Host") -> None:
    click.echo(f"{trial.pictures} pictures would come in")
    _tell(
        (trial.present, "are here already"),
        (trial.refused, "files or rows would be left out, as listed above"),
        (trial.unreadable, "lines could not be read"),
        (trial.without_file, "pictures in the list or dump have no file here"),
        (len(host.owners.texts), "users would get a disabled API key"),
    )
    _tell_host(host)
    for before, after in trial.samples:
        click.echo(f"{before} → {after}")


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
