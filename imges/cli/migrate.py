"""`imges migrate`: moves pictures from one storage to another, while uploads and views go on."""

from datetime import UTC, datetime

import click

from imges.bytesize import size_formatted
from imges.cli.opening import with_context
from imges.cli.settings_option import settings_option
from imges.errors import SettingsError
from imges.maintenance.context import Context
from imges.maintenance.migrate import Move, Moved, planned
from imges.maintenance.migrate import migrate as move_all
from imges.settings import Settings
from imges.settings.units import size as read_size


def _bytes_per_second(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:  # noqa: ARG001  (click's)
    """The callback of `--bandwidth`."""
    try:
        found = None if text is None else read_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if found == 0:
        raise click.BadParameter("should be more than nothing")
    return found


@click.command()
@click.option("--to", "to", required=True, metavar="PLACE", help="The name of a storage in the settings.")
@click.option("--from", "source", metavar="PLACE", help="Only what is there; without it, from all others.")
@click.option("--before", type=click.DateTime(["%Y-%m-%d"]), help="Only what was uploaded before this day (UTC).")
@click.option("--keep", is_flag=True, help="Leave the files where they were, too.")
@click.option("--dry-run", is_flag=True, help="Only tell how much there is to move.")
@click.option("--parallel", type=click.IntRange(1, 64), default=4, show_default=True, help="Pictures at a time.")
@click.option("--bandwidth", callback=_bytes_per_second, metavar="SIZE", help="At most so much a second, such as 10MB.")
@settings_option
def migrate(
    settings: Settings,
    *,
    to: str,
    source: str | None,
    before: datetime | None,
    keep: bool,
    dry_run: bool,
    parallel: int,
    bandwidth: int | None,
) -> None:
    """Move pictures to another storage; their addresses stay.

    Every copy is read back and compared before the picture's row changes, and the source is deleted last. If it is
    interrupted, run it again. A running server must already know the storage by its settings. Exits with 1 if a
    picture could not be moved.
    """
    _check_places(settings, to, source)

    async def use(context: Context) -> Moved | None:
        move = Move(
            to=context.places[to],
            source=source,
            before=before and before.replace(tzinfo=UTC),
            keep=keep,
            parallel=parallel,
            bandwidth=bandwidth,
        )
        if not dry_run:
            return await move_all(context, move)
        plan = await planned(context, move)
        for place, (pictures, size) in sorted(plan.items()):
            click.echo(f"{pictures} pictures ({size_formatted(size)}) would go from {place} to {to}")
        if not plan:
            click.echo(f"there is nothing to move to {to}")
        return None

    moved = with_context(settings, use)
    if moved is not None:
        _report(moved, to)


def _check_places(settings: Settings, to: str, source: str | None) -> None:
    """Raises `SettingsError` if a place is not in the settings, and `UsageError` if both are the same."""
    for option, name in (("--to", to), ("--from", source)):
        if name is not None and name not in settings.storages:
            known = ", ".join(sorted(settings.storages))
            raise SettingsError(f"{option} is {name}: there is no such storage in the settings; there are {known}")
    if to == source:
        raise click.UsageError("--to and --from are the same storage.")


def _report(moved: Moved, to: str) -> None:
    seconds = max(moved.seconds, 0.001)
    rate = f"{moved.pictures / seconds:,.1f} pictures/s, {size_formatted(round(moved.size / seconds))}/s"
    click.echo(f"{moved.pictures} pictures ({size_formatted(moved.size)}) moved to {to} in {seconds:.1f} s ({rate})")
    if moved.cleaned:
        click.echo(
            f"{moved.cleaned} files were deleted at the end, where they or an earlier run's had been copied from"
        )
    if moved.failed:
        click.echo(f"{moved.failed} pictures could not be moved; they are still served from where they are", err=True)
        raise SystemExit(1)
