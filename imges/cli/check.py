"""`imges check`: whether everything that the settings describe works, and what to change if something does not.

`check_settings`, `check_machine` and `check_parts` have the probes that run on this machine, `check_public` those that
go through the public address.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from imges.cli import check_machine, check_parts, check_public, check_settings
from imges.cli.check_findings import Finding, Probe, found_by, print_finding
from imges.cli.check_print import FILES, printed
from imges.cli.owner import become_owner
from imges.cli.settings_option import settings_option
from imges.settings import Settings


@click.command()
@click.option("--public", is_flag=True, help="Also upload a picture through server.public_url, and delete it again.")
@click.option("--print", "kind", type=click.Choice(list(FILES)), help="Print a file made from the settings instead.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
@settings_option
def check(settings: Settings, *, public: bool, kind: str | None, as_json: bool) -> None:
    """Look at settings, folders, disk, memory, storages, catalog and decoders.

    Each finding says what is wrong, what it breaks, and what to change. Exits with 2 if `imges serve` would refuse the
    settings, and with 1 if anything else is wrong.
    """
    if kind is not None:
        click.echo(printed(kind, settings), nl=False)
        return
    become_owner(settings.data_dir)
    path: Path | None = click.get_current_context().params["settings_path"]
    found: list[dict[str, str]] = []
    status = asyncio.run(_run(_probes(settings, path, public=public), found if as_json else None))
    if as_json:
        click.echo(json.dumps({"good": status == 0, "findings": found}, ensure_ascii=False))
    raise SystemExit(status)


async def _run(probes: Iterable[tuple[str, str, Probe]], into: list[dict[str, str]] | None) -> int:
    """Prints what *probes* find, or collects it. Returns the exit status."""
    status = 0
    for part, breaks, probe in probes:
        for finding in await found_by(probe, breaks=breaks):
            status = max(status, finding.status)
            if into is None:
                print_finding(part, finding)
            else:
                into.append({"part": part, **asdict(finding)})
    return status


def _probes(settings: Settings, path: Path | None, *, public: bool) -> Iterator[tuple[str, str, Probe]]:
    """Each part of the installation: its name, what an error of its probe breaks, and the probe.

    *path* is that of the settings, if it was given.
    """

    def in_thread(findings: Callable[[], Iterable[Finding]]) -> Probe:
        async def probe() -> Iterable[Finding]:
            return await asyncio.to_thread(lambda: list(findings()))

        return probe

    yield "settings", "the server does not start", in_thread(lambda: check_settings.findings(settings, path))
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
    if public:
        yield "public address", "", lambda: check_public.probe(settings)
