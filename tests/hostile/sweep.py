"""Runs all groups and prints the figures of each: `python -m tests.hostile.sweep [WORD OF A GROUP'S NAME …]`."""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from tests.hostile.cases import Figures
from tests.hostile.groups import GROUPS
from tests.hostile.watch import settled, watched
from tests.hostile.world import can_be, visited
from tests.served import serving


def main(words: list[str]) -> None:
    for group in GROUPS:
        if not _wanted(group.name, words):
            continue
        with tempfile.TemporaryDirectory() as name, serving(Path(name), **group.settings) as served:
            settled(served)
            with watched(served) as watch:
                figures = group.run(served)
            click.echo(
                f"{group.name} ({group.rows}): {figures}; memory at most {watch.peak >> 20} MB; "
                f"open and temporary files back within {watch.back():.0f} s"
            )
    if _wanted("fetches", words) and can_be():
        with tempfile.TemporaryDirectory() as name:
            report = visited(Path(name), "8 s")
        statuses = Counter(outcome.status for outcome in report.outcomes)
        click.echo(
            f"fetches (S1-S7): {Figures(statuses, max(outcome.seconds for outcome in report.outcomes))}; "
            f"canaries: {report.reachable}, touched: {len(report.touched)}; "
            f"beside {sum(report.hung.values())} that hang an upload took {max(report.while_hung):.1f} s at most"
        )


def _wanted(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


if __name__ == "__main__":
    main(sys.argv[1:])
