"""`imges check`: whether everything that the settings describe works, and what to change if something does not.

`check_settings`, `check_machine` and `check_parts` have the probes that run on this machine, `check_public` those that
go through the public address.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from imges.cli import check_machine, check_parts, check_public, check_settings
from imges.cli.check_findings import Finding, Probe, print_findings
from imges.cli.check_print import FILES, printed
from imges.cli.settings_option import settings_option
from imges.settings import Settings


@click.command()
@click.option("--public", is_flag=True, help="Also upload a picture through server.public_url, and delete it again.")
@click.option("--print", "kind", type=click.Choice(list(FILES)), help="Print a file made from the settings instead.")
@settings_option
def check(settings: Settings, *, public: bool, kind: str | None) -> None:
    """Look at settings, folders, disk, memory, storages, catalog and decoders; exits with 1 if anything is wrong.

    Each finding says what is wrong, what it breaks, and what to change.
    """
    if kind is not None:
        click.echo(printed(kind, settings), nl=False)
        return
    path: Path | None = click.get_current_context().params["settings_path"]
    if not asyncio.run(_all_good(settings, path, public=public)):
        raise SystemExit(1)


async def _all_good(settings: Settings, path: Path | None, *, public: bool) -> bool:
    """Prints what all probes find, and returns whether nothing is wrong.

    *path* is the settings file, if `--settings` named one.
    """
    good = [await print_findings(part, probe, breaks=breaks) for part, breaks, probe in _probes(settings, path)]
    if public:
        good.append(await print_findings("public address", lambda: check_public.probe(settings)))
    return all(good)


def _probes(settings: Settings, path: Path | None) -> Iterator[tuple[str, str, Probe]]:
    """Each part of the installation: its name, what an error of its probe breaks, and the probe."""

    def in_thread(findings: Callable[[], Iterable[Finding]]) -> Probe:
        async def probe() -> Iterable[Finding]:
            return await asyncio.to_thread(lambda: list(findings()))

        return probe

    yield "settings", "", in_thread(lambda: check_settings.findings(settings, path))
    yield "data folder", "nothing can be received or kept", in_thread(lambda: check_machine.data_folder(settings))
    yield "disk", "", in_thread(lambda: check_machine.disk(settings))
    yield "clock", "", in_thread(check_machine.clock)
    yield "memory", "", in_thread(lambda: check_machine.memory(settings))
    yield "address", "", in_thread(lambda: check_machine.address(settings))
    for name in settings.storages:
        breaks = check_parts.storage_breaks(settings, name)
        yield f"storage {name}", breaks, lambda name=name: check_parts.storage(settings, name)
    yield "catalog", "nothing is served or taken", lambda: check_parts.catalog(settings)
    if settings.limits.redis_url is not None:
        yield "redis", "each process counts for itself", lambda: check_parts.redis(settings)
    yield "libraries", "", in_thread(check_parts.libraries)
    yield "images", "uploads are refused", lambda: check_parts.images(settings)
