"""What `imges check` finds, and how it tells it."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import click

from imges.errors import ImgesError, SettingsError


@dataclass(frozen=True, slots=True)
class Finding:
    """What was *found*; for what is not good also what it *breaks*, and what to *change*: a line of the settings."""

    grade: Literal["good", "note", "WRONG"]
    found: str
    breaks: str = ""
    change: str = ""


Findings = Iterable[Finding]
Look = Callable[[], Awaitable[Findings]]


def good(found: str) -> Finding:
    return Finding("good", found)


def note(found: str, *, breaks: str = "", change: str = "") -> Finding:
    """Something to know; nothing that is broken."""
    return Finding("note", found, breaks, change)


def wrong(found: str, *, breaks: str, change: str) -> Finding:
    return Finding("WRONG", found, breaks, change)


async def told(part: str, look: Look, *, breaks: str = "") -> bool:
    """Print what *look* finds; whether none of it is wrong. An error of ours is a finding; *breaks*: what that does."""
    try:
        findings = list(await look())
    except SettingsError as error:
        findings = [wrong(problem, breaks=breaks, change="") for problem in error.problems]
    except ImgesError as error:
        findings = [wrong(error.message, breaks=breaks, change="")]
    for finding in findings:
        _print(part, finding)
    return all(finding.grade != "WRONG" for finding in findings)


def _print(part: str, finding: Finding) -> None:
    colour = {"good": "green", "note": "yellow", "WRONG": "red"}[finding.grade]
    separator = ", " if finding.grade == "good" and finding.found else ": " if finding.found else ""
    click.echo(f"{part}: {click.style(finding.grade, fg=colour)}{separator}{finding.found}")
    for title, text in (("breaks", finding.breaks), ("change", finding.change)):
        if text:
            click.echo(f"    {title}: {text}")
