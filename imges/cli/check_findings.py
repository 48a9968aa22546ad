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
    status: int = 0
    """The exit status of `imges check`: 2 if `imges serve` would end with 2, 1 if something else is wrong."""


Probe = Callable[[], Awaitable[Iterable[Finding]]]
"""Looks at one part of the installation. Raises `ImgesError` if the part does not work."""


def good(found: str) -> Finding:
    return Finding("good", found)


def note(found: str, *, breaks: str = "", change: str = "") -> Finding:
    """Something that the owner should know; nothing is broken."""
    return Finding("note", found, breaks, change)


def wrong(found: str, *, breaks: str, change: str) -> Finding:
    return Finding("WRONG", found, breaks, change, 1)


def stops(found: str, *, breaks: str, change: str = "") -> Finding:
    """A setting with which `imges serve` does not start."""
    return Finding("WRONG", found, breaks, change, 2)


async def found_by(probe: Probe, *, breaks: str = "") -> list[Finding]:
    """Returns what *probe* finds.

    An `ImgesError` of the probe is a finding, and an error of the system as well. It *breaks* what the caller says.
    """
    try:
        return list(await probe())
    except SettingsError as error:
        return [stops(problem, breaks=breaks) for problem in error.problems]
    except ImgesError as error:
        return [wrong(error.message, breaks=breaks, change="")]
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return [wrong(f"{where}{error.strerror or error}", breaks=breaks, change="")]


def print_finding(part: str, finding: Finding) -> None:
    """Prints a finding about a *part* of the installation."""
    colour = {"good": "green", "note": "yellow", "WRONG": "red"}[finding.grade]
    separator = ", " if finding.grade == "good" and finding.found else ": " if finding.found else ""
    click.echo(f"{part}: {click.style(finding.grade, fg=colour)}{separator}{finding.found}")
    for title, text in (("breaks", finding.breaks), ("change", finding.change)):
        if text:
            click.echo(f"    {title}: {text}")
