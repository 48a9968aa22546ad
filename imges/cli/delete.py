"""`imges delete`: pictures by id, uploader or date."""

from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

import click

from imges.catalog import Deed, NoSuchApiKey, Search
from imges.cli.opening import note_command, with_pictures
from imges.cli.progress import Bar
from imges.cli.settings_option import settings_option
from imges.errors import ImgesError
from imges.pictures import Pictures
from imges.settings import Settings


def _network(ctx: click.Context, param: click.Parameter, text: str | None) -> IPv4Network | IPv6Network | None:  # noqa: ARG001  (click's)
    try:
        return None if text is None else ip_network(text, strict=False)
    except ValueError as error:
        raise click.BadParameter("an address such as 192.0.2.7, or a network such as 192.0.2.0/24") from error


def _text(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:  # noqa: ARG001  (click's)
    """The callback of `--key`. A name may be any text that a catalog can store: imports bring in names of all kinds."""
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("it is not UTF-8") from error
    return text


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--key", callback=_text, help="All pictures of the API key of this name…")
@click.option("--address", callback=_network, help="… sent from this address or network…")
@click.option(
    "--before", type=click.DateTime(["%Y-%m-%d"]), help="… before this day (UTC); all that are given must hold."
)
@settings_option
def delete(
    settings: Settings,
    ids: tuple[str, ...],
    key: str | None,
    address: IPv4Network | IPv6Network | None,
    before: datetime | None,
) -> None:
    """Delete pictures and all their files, by ID, by uploader or by date.

    A running server answers 410 for them within half a minute. Exits with 1 if an ID is unknown or gone, or a file
    could not be deleted yet.
    """
    chosen = key is not None or address is not None or before is not None
    if bool(ids) == chosen:
        raise click.UsageError("Name pictures by ID, or choose them with --key, --address or --before.")

    async def use(pictures: Pictures) -> bool:
        if ids:
            return await _delete_by_id(pictures, ids)
        day = before and before.replace(tzinfo=UTC)
        if key is not None:
            await _refuse_unknown(pictures, key)
        return await _delete_all(pictures, Search(api_key=key, network=address, before=day))

    if not with_pictures(settings, use):
        raise SystemExit(1)


async def _refuse_unknown(pictures: Pictures, key: str) -> None:
    """Raises `NoSuchApiKey` if no key has the name *key*, and no picture of a revoked key either."""
    is_known = any(known.name == key for known in await pictures.catalog.keys.all())
    if not is_known and not await pictures.catalog.search.count(Search(api_key=key)):
        raise NoSuchApiKey(key)


async def _delete_by_id(pictures: Pictures, ids: tuple[str, ...]) -> bool:
    """Returns whether all of *ids* were there and are deleted. Goes on after a failure."""
    good, deleted = True, list[str]()
    for image_id in ids:
        try:
            await pictures.deleting.delete(await pictures.finding.by_id(image_id))
            click.echo(f"deleted {image_id}")
            deleted.append(image_id)
        except ImgesError as error:
            click.echo(f"{image_id}: {error}", err=True)
            good = False
    if deleted:
        await note_command(pictures.catalog, Deed.DELETE, ", ".join(deleted), len(deleted))
    return good


async def _delete_all(pictures: Pictures, search: Search) -> bool:
    """Returns whether all that *search* finds are deleted. Goes on after a failure; may be run again."""
    deleted = failed = 0
    found = pictures.catalog.published.each(api_key=search.api_key, network=search.network, before=search.before)
    with Bar() as bar:
        bar.stage("deleting", await pictures.catalog.search.count(search))
        async for image in found:
            try:
                await pictures.deleting.delete(image)
                deleted += 1
            except ImgesError as error:
                click.echo(f"{image.id}: {error}", err=True)
                failed += 1
            bar.advance()
    click.echo(f"{deleted} deleted")
    chosen = {"key": search.api_key, "address": search.network and "…", "before": search.before}
    given = ", ".join(f"{name}: {value}" for name, value in chosen.items() if value is not None)
    await note_command(pictures.catalog, Deed.DELETE_FOUND, given, deleted)
    return not failed
