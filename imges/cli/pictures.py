"""Commands on stored pictures."""

from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

import click

from imges.catalog import Search
from imges.cli.common import settings_option, with_service
from imges.cli.progress import Bar
from imges.errors import ImgesError
from imges.service import Service
from imges.settings import Settings


def _network(ctx: click.Context, param: click.Parameter, text: str | None) -> IPv4Network | IPv6Network | None:  # noqa: ARG001  (click's)
    try:
        return None if text is None else ip_network(text, strict=False)
    except ValueError as error:
        raise click.BadParameter("an address such as 192.0.2.7, or a network such as 192.0.2.0/24") from error


def _text(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:  # noqa: ARG001  (click's)
    """Only what a catalog can hold: an import takes names of keys from its list as they stand there."""
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
    """Delete pictures and all their files, by ID or by who sent them when.

    A running server answers 410 for them within half a minute. Exits with 1 if an ID is unknown or gone, or a file
    could not be deleted yet.
    """
    chosen = key is not None or address is not None or before is not None
    if bool(ids) == chosen:
        raise click.UsageError("Name pictures by ID, or choose them with --key, --address or --before.")

    async def use(service: Service) -> bool:
        if ids:
            return await _delete_by_id(service, ids)
        day = before and before.replace(tzinfo=UTC)
        return await _delete_all(service, Search(api_key=key, network=address, before=day))

    if not with_service(settings, use):
        raise SystemExit(1)


async def _delete_by_id(service: Service, ids: tuple[str, ...]) -> bool:
    """Whether all of *ids* were there and are gone; what fails keeps the others from nothing."""
    good = True
    for image_id in ids:
        try:
            await service.delete(await service.view(image_id))
            click.echo(f"deleted {image_id}")
        except ImgesError as error:
            click.echo(f"{image_id}: {error}", err=True)
            good = False
    return good


async def _delete_all(service: Service, search: Search) -> bool:
    """Whether all that *search* finds are gone; breaking off and beginning again does no harm."""
    deleted = failed = 0
    found = service.catalog.published(api_key=search.api_key, network=search.network, before=search.before)
    with Bar() as bar:
        bar.stage("deleting", await service.catalog.count_found(search))
        async for image in found:
            try:
                await service.delete(image)
                deleted += 1
            except ImgesError as error:
                click.echo(f"{image.id}: {error}", err=True)
                failed += 1
            bar.advance()
    click.echo(f"{deleted} deleted")
    return not failed
