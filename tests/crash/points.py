"""Breaks operations off at each system call on the disk: `python -m tests.crash.points [--only upload] [--part 2/5]`.

At the N-th call of an upload, a deletion, an expiry or a migration, in any thread or worker, the process is killed, or
the call fails with EIO or ENOSPC. Afterwards every promised picture must be there, byte for byte; nothing of others
may remain; and `imges fsck` must find nothing. N grows until no call has that number. A kill is left out if nothing
has changed on the disk since the kill before it.
"""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import click

from tests.crash import stored
from tests.crash.held import FATES, Call, Fate, Watch
from tests.crash.operations import OPERATIONS, Operation


@dataclass
class Found:
    """The result of a sweep."""

    calls: int = 0
    """Calls that one operation makes."""
    points: Counter[Fate] = field(default_factory=Counter[Fate])
    heard: Counter[str] = field(default_factory=Counter[str])

    def __str__(self) -> str:
        points = ", ".join(f"{number} x {fate}" for fate, number in self.points.items())
        heard = ", ".join(f"{number} {what}" for what, number in sorted(self.heard.items()))
        return f"{self.calls} calls; {self.points.total()} points ({points}); heard: {heard}"


def counted(operation: Operation) -> list[Call]:
    """Returns the calls of one undisturbed operation, after another one has started what starts late."""
    for watch in (Watch(), last := Watch()):
        operation.prepare()
        operation.check(operation.window(watch), None, watch.fate)
    return last.calls


def broken_at(operation: Operation, number: int, fate: Fate) -> tuple[Watch, str]:
    """Breaks one operation. Returns what happened and what the client received. Raises `AssertionError`."""
    operation.prepare()
    watch = Watch(number, fate)
    heard = operation.window(watch)
    try:
        operation.check(heard, watch.struck, fate)
    except Exception as error:
        trace = "\n".join(f"  {at}: {call}" for at, call in enumerate(watch.calls, 1))
        raise AssertionError(f"{fate} at {number}, {watch.struck}: heard {heard}: {error}\n{trace}") from error
    return watch, heard


def swept(name: str, folder: Path, numbers: Iterator[int], fates: tuple[Fate, ...] = FATES) -> Found:
    """Breaks the operation *name* at those of *numbers* that are reached, by each of *fates*."""
    operation = OPERATIONS[name](folder)
    found = Found()
    try:
        found.calls = len(counted(operation))
        for number in numbers:
            for fate in fates:
                watch, heard = broken_at(operation, number, fate)
                if len(watch.calls) < number and number > found.calls:
                    assert not (wrong := stored.fsck(folder)), wrong
                    return found
                if watch.struck:
                    click.echo(f"{name} {number}: {fate} at {watch.struck}: {heard}", err=True)
                    found.points[fate] += 1
                    found.heard[heard] += 1
    finally:
        operation.stop()
    return found


def sample(name: str, folder: Path, size: int, seed: int) -> Found:
    """Returns so many points, drawn by *seed*."""
    operation = OPERATIONS[name](folder)
    found = Found()
    chance = random.Random(seed)
    try:
        found.calls = len(counted(operation))
        while found.points.total() < size:
            fate = chance.choice(FATES)
            watch, heard = broken_at(operation, chance.randint(1, found.calls), fate)
            if watch.struck:
                found.points[fate] += 1
                found.heard[heard] += 1
        assert not (wrong := stored.fsck(folder)), wrong
    finally:
        operation.stop()
    return found


@click.command()
@click.option("--only", type=click.Choice(list(OPERATIONS)), multiple=True, help="Without it, all of them.")
@click.option("--part", default="1/1", help="2/5: every fifth call, from the second.")
@click.option("--fate", "fates", type=click.Choice(FATES), multiple=True, default=FATES)
def main(only: tuple[str, ...], part: str, fates: tuple[Fate, ...]) -> None:
    first, step = map(int, part.split("/"))
    for name in only or OPERATIONS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = swept(name, Path(folder), count(first, step), fates)
        told = f"{name}: {found}; nothing lost, nothing half, fsck clean; {time.monotonic() - began:.0f} s"
        click.echo(told if part == "1/1" else f"part {part} of {told}")


if __name__ == "__main__":
    main()
