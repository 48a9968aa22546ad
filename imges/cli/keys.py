"""`imges keys`: who may upload."""

import re
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from imges.access import KeyRing
from imges.catalog import ApiKey, Catalog, Scope
from imges.cli.common import settings_option, with_catalog
from imges.options import size
from imges.settings import Settings
from imges.web.present import size_formatted


@click.group()
def keys() -> None:
    """Add, list, disable and revoke API keys."""


@keys.command()
@click.argument("name")
@click.option("--scope", type=click.Choice([s.value for s in Scope]), default="upload", help="admin includes upload.")
@click.option("--quota", help="The most it may store: a size such as 10GB, or a number of pictures such as 500.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The first day (UTC) on which it no longer works.")
@settings_option
def add(settings: Settings, name: str, scope: str, quota: str | None, expires: datetime | None) -> None:
    """Add a key and print it: it is stored hashed, and cannot be shown again."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", name):
        raise click.BadParameter("letters, digits and ._@- only, at most 64", param_hint="NAME")
    quota_pictures, quota_bytes = _quota(quota)

    async def use(catalog: Catalog) -> str:
        ring = await KeyRing.open(catalog)
        return await ring.add(
            name,
            Scope(scope),
            quota_pictures=quota_pictures,
            quota_bytes=quota_bytes,
            expires=expires and expires.replace(tzinfo=UTC),
        )

    click.echo(with_catalog(settings, use))


def _quota(text: str | None) -> tuple[int | None, int | None]:
    """Pictures and bytes: digits alone are pictures."""
    if text is None:
        return None, None
    if text.isascii() and text.isdigit():
        return int(text), None
    try:
        return None, size(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--quota") from error


@keys.command(name="list")
@settings_option
def list_(settings: Settings) -> None:
    """List the keys: what each may do, what it has stored, and when it was last used."""
    table = Table("name", "scope", "state", "pictures", "stored", "quota", "expires", "last used", box=None)
    for key in with_catalog(settings, Catalog.keys):
        table.add_row(
            key.name,
            key.scope,
            "enabled" if key.enabled else "disabled",
            str(key.pictures),
            size_formatted(key.bytes),
            _told_quota(key),
            _day(key.expires),
            _day(key.last_used),
        )
    Console().print(table)


def _told_quota(key: ApiKey) -> str:
    if key.quota_bytes is not None:
        return size_formatted(key.quota_bytes)
    return "" if key.quota_pictures is None else f"{key.quota_pictures} pictures"


def _day(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d") if moment else ""


@keys.command()
@click.argument("name")
@settings_option
def enable(settings: Settings, name: str) -> None:
    """Let a disabled key upload again."""
    with_catalog(settings, lambda catalog: catalog.set_key_enabled(name, enabled=True))


@keys.command()
@click.argument("name")
@settings_option
def disable(settings: Settings, name: str) -> None:
    """Let a key upload no more, for now."""
    with_catalog(settings, lambda catalog: catalog.set_key_enabled(name, enabled=False))


@keys.command()
@click.argument("name")
@settings_option
def revoke(settings: Settings, name: str) -> None:
    """Take a key away for good; its pictures stay."""
    with_catalog(settings, lambda catalog: catalog.remove_key(name))
