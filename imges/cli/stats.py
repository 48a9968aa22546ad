"""`imges stats`: how many pictures there are, and what they take."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from imges.catalog.upkeep import Statistics
from imges.cli.common import settings_option, with_catalog
from imges.settings import Settings
from imges.web.present import size_formatted

DAYS = 14
"""How many of the last days are shown."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: bytes as numbers, all days.")
@settings_option
def stats(settings: Settings, *, as_json: bool) -> None:
    """Tell how many pictures there are and what their files take: by storage, format, API key and day (UTC)."""
    found = with_catalog(settings, lambda catalog: catalog.statistics())
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    console = Console()
    console.print(f"{found.pictures} pictures, {size_formatted(found.bytes)}, {found.views} views")
    for title, groups in _groups(found):
        if groups:
            table = Table(title, "pictures", "stored", box=None)
            for name, (pictures, size) in groups:
                table.add_row(name, str(pictures), size_formatted(size))
            console.print()
            console.print(table)


def _groups(found: Statistics) -> list[tuple[str, list[tuple[str, tuple[int, int]]]]]:
    """The tables, each with the largest first; of the days the last ones."""
    by_size = [
        (title, sorted(groups.items(), key=lambda group: -group[1][1]))
        for title, groups in (("storage", found.places), ("format", found.formats), ("API key", found.api_keys))
    ]
    return [*by_size, ("day", sorted(found.days.items())[-DAYS:])]
