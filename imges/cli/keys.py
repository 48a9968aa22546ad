"""`imges keys`: the API keys, which allow uploads."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import click
from rich.console import Console
from rich.table import Table

from imges.access.api_keys import KeyRing, check_key_name
from imges.access.guest_key import generated_key, key_file
from imges.bytesize import size_formatted
from imges.catalog import GUEST, ApiKey, Catalog, Deed, Scope, utc_now
from imges.cli.opening import note_command, with_catalog
from imges.cli.settings_option import settings_option
from imges.errors import BadParameter, ImgesError
from imges.settings import Settings
from imges.settings.units import MOST_BYTES, size

PICTURES = click.IntRange(0, MOST_BYTES - 1)
"""A database counts pictures up to the same number as bytes."""


def _name(ctx: click.Context, param: click.Parameter, name: str) -> str:  # noqa: ARG001  (click's)
    """The callback of arguments that are the name of a key."""
    try:
        check_key_name(name)
    except BadParameter as error:
        raise click.BadParameter(error.message) from error
    return name


def _quota(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int | None, int | None]:
    """The callback of `--quota`. Returns pictures and bytes; a number without a unit counts pictures."""
    if text is None:
        return None, None
    if text.isascii() and text.isdigit():
        return PICTURES(text, param, ctx), None
    try:
        return None, size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.group()
def keys() -> None:
    """Add, list, disable and revoke API keys."""


@keys.command()
@click.argument("name", callback=_name)
@click.option("--scope", type=click.Choice([s.value for s in Scope]), default="upload", help="admin includes upload.")
@click.option(
    "--quota", callback=_quota, help="The most it may store: a size such as 10GB, or a number of pictures such as 500."
)
@click.option("--quota-pictures", type=PICTURES, help="The most pictures it may have, beside a size.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The first day (UTC) on which it no longer works.")
@settings_option
def add(
    settings: Settings,
    *,
    name: str,
    scope: str,
    quota: tuple[int | None, int | None],
    quota_pictures: int | None,
    expires: datetime | None,
) -> None:
    """Add a key and print it: it is stored hashed, and cannot be shown again."""
    if expires is not None and expires.replace(tzinfo=UTC) <= utc_now():
        raise click.BadParameter(f"{expires:%Y-%m-%d} is over: the key would never work", param_hint="--expires")
    if name == GUEST:
        click.echo(with_catalog(settings, partial(_guests, settings)))
        return
    pictures, quota_bytes = quota
    if pictures is not None and quota_pictures is not None:
        raise click.UsageError("--quota is a number of pictures already; with --quota-pictures it is a size.")

    async def use(catalog: Catalog) -> str:
        ring = await KeyRing.open(catalog)
        text = await ring.add(
            name,
            Scope(scope),
            quota_pictures=pictures if quota_pictures is None else quota_pictures,
            quota_bytes=quota_bytes,
            expires=expires and expires.replace(tzinfo=UTC),
        )
        await note_command(catalog, Deed.ADD_KEY, f"{name}, scope {scope}")
        return text

    click.echo(with_catalog(settings, use))


async def _guests(settings: Settings, catalog: Catalog) -> str:
    """Makes the guests' key, as the first start of a server does. Returns where it is: the key itself is not printed.

    Raises `ApiKeyNameTaken`, with the same, if the key is there already.
    """
    if settings.api.key is not None:
        raise ImgesError("the key named guest is api.key of the settings; other clients get keys of other names")
    file = key_file(settings.data_dir)
    is_there = any(key.name == GUEST for key in await catalog.keys.all())
    key, _ = await generated_key(catalog, file)
    if is_there:
        raise ImgesError(f"the key named guest is there already: it is in {file}")
    ring = await KeyRing.open(catalog)
    await catalog.keys.ensure_guest(ring.hash(key), settings.limits.guest_bytes)
    return f"the key named guest was made and is in {file}"


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="For programs: bytes as numbers, times as in ISO 8601.")
@settings_option
def list_(settings: Settings, *, as_json: bool) -> None:
    """List the keys: what each may do, what it has stored, and when it was last used."""
    found = with_catalog(settings, lambda catalog: catalog.keys.all())
    if as_json:
        click.echo(json.dumps([asdict(key) | {"state": _state(key)} for key in found], default=_shown))
        return
    table = Table("name", "scope", "state", "pictures", "stored", "quota", "expires", "last used", box=None)
    for key in found:
        table.add_row(
            key.name,
            key.scope,
            _state(key),
            str(key.pictures),
            size_formatted(key.bytes),
            _told_quota(key),
            _day(key.expires),
            _day(key.last_used),
        )
    console = Console()
    if not console.is_terminal:
        console.width = 240  # programs read one line for each key
    console.print(table)


def _state(key: ApiKey) -> str:
    if key.expires is not None and key.expires <= utc_now():
        return "expired"
    return "enabled" if key.enabled else "disabled"


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _told_quota(key: ApiKey) -> str:
    size = [] if key.quota_bytes is None else [size_formatted(key.quota_bytes)]
    return ", ".join(size + ([] if key.quota_pictures is None else [f"{key.quota_pictures} pictures"]))


def _day(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d") if moment else ""


@keys.command()
@click.argument("name", callback=_name)
@settings_option
def enable(settings: Settings, name: str) -> None:
    """Let a disabled key upload again."""
    _set_enabled(settings, name, enabled=True)


@keys.command()
@click.argument("name", callback=_name)
@settings_option
def disable(settings: Settings, name: str) -> None:
    """Let a key upload no more, for now."""
    _set_enabled(settings, name, enabled=False)


@keys.command()
@click.argument("name", callback=_name)
@settings_option
def revoke(settings: Settings, name: str) -> None:
    """Take a key away for good; its pictures stay."""

    async def use(catalog: Catalog) -> None:
        await catalog.keys.remove(name)
        await note_command(catalog, Deed.REVOKE_KEY, name)

    with_catalog(settings, use)


def _set_enabled(settings: Settings, name: str, *, enabled: bool) -> None:
    async def use(catalog: Catalog) -> None:
        await catalog.keys.set_enabled(name, enabled=enabled)
        await note_command(catalog, Deed.ENABLE_KEY if enabled else Deed.DISABLE_KEY, name)

    with_catalog(settings, use)
