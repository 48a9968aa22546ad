"""What the probes of `imges check` find, and how the command prints it."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import click

from imges.errors import ImgesError, SettingsError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a probe *found*.

    If it is not good: what it *breaks*, and what to *change*, such as a line of the settings.
    """

    grade: Literal["good", "note", "WRONG"]
    found: str
    breaks: str = ""
    change: str = ""


Probe = Callable[[], Awaitable[Iterable[Finding]]]
"""Looks at one part of the installation. Raises `ImgesError` if the part does not work."""


def good(found: str) -> Finding:
    return Finding("good", found)


def note(found: str, *, breaks: str = "", change: str = "") -> Finding:
    """Something that the owner should know; nothing is broken."""
    return Finding("note", found, breaks, change)


def wrong(found: str, *, breaks: str, change: str) -> Finding:
    return Finding("WRONG", found, breaks, change)


async def print_findings(part: str, probe: Probe, *, breaks: str = "") -> bool:
    """Prints what *probe* finds of a *part*, and returns whether nothing of it is wrong.

    An `ImgesError` of the probe is printed as a finding. It *breaks* what the caller says.
    """
    try:
        findings = list(await probe())
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
