"""`imges stats`: how many pictures there are, and how many bytes they take."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from imges.bytesize import size_formatted
from imges.catalog import Statistics
from imges.cli.opening import with_catalog
from imges.cli.settings_option import settings_option
from imges.settings import Settings

DAYS = 14
"""How many days are shown, the latest ones."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: bytes as numbers, all days.")
@settings_option
def stats(settings: Settings, *, as_json: bool) -> None:
    """Show how many pictures there are and what their files take: by storage, format, API key and day (UTC)."""
    found = with_catalog(settings, lambda catalog: catalog.figures.statistics())
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
    """Returns the tables: each with the largest group first, and the latest days in their order."""
    by_size = [
        (title, sorted(groups.items(), key=lambda group: -group[1][1]))
        for title, groups in (("storage", found.places), ("format", found.formats), ("API key", found.api_keys))
    ]
    return [*by_size, ("day", sorted(found.days.items())[-DAYS:])]
