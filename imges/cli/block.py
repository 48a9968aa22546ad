"""`imges block`: pictures and addresses that uploads are refused of."""

import json

import click

from imges.catalog import Catalog, Deed, block_text
from imges.cli.opening import note_command, with_catalog
from imges.cli.settings_option import settings_option
from imges.settings import Settings


def _blocks(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> list[str]:  # noqa: ARG001  (click's)
    try:
        return [block_text(text) for text in texts]
    except ValueError:
        raise click.BadParameter(
            "the MD5 digest of a stored picture (32 hex digits), an address such as 192.0.2.7 or 2001:db8::7, "
            "or a network such as 192.0.2.0/24"
        ) from None


@click.command()
@click.argument("what", nargs=-1, metavar="[DIGEST|NET]...", callback=_blocks)
@click.option("--remove", is_flag=True, help="Take it again.")
@click.option("--list", "list_", is_flag=True, help="List what is blocked.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON.")
@settings_option
def block(settings: Settings, what: list[str], *, remove: bool, list_: bool, as_json: bool) -> None:
    """Refuse a picture by the MD5 DIGEST of its stored original, or uploads from an address or network.

    Running servers apply it within seconds. Stored pictures stay: see `imges delete`.
    """
    if list_ == bool(what) or (list_ and remove):
        raise click.UsageError("Name digests or networks, or ask for the --list.")
    if as_json and not list_:
        raise click.UsageError("--json goes with --list.")

    async def use(catalog: Catalog) -> bool:
        if list_:
            blocks = await catalog.blocks.all()
            if as_json:
                click.echo(json.dumps([{"what": each.what, "since": each.created.isoformat()} for each in blocks]))
            for each in () if as_json else blocks:
                click.echo(f"{each.what}\tsince {each.created:%Y-%m-%d}")
            return True
        results = [await _change(catalog, text, remove=remove) for text in what]
        return all(results)

    if not with_catalog(settings, use):
        raise SystemExit(1)


async def _change(catalog: Catalog, what: str, *, remove: bool) -> bool:
    """Blocks *what*, or removes its block. Returns `False` if there was no block to remove."""
    if not remove:
        added = await catalog.blocks.add(what)
        if added:
            await note_command(catalog, Deed.BLOCK, what, 1)
        click.echo(f"{what} is {'' if added else 'already '}blocked")
        return True
    if await catalog.blocks.remove(what):
        await note_command(catalog, Deed.UNBLOCK, what)
        click.echo(f"{what} is not blocked any more")
        return True
    click.echo(f"{what} is not blocked", err=True)
    return False
