"""Rounds of `kill -9` under load: `python -m tests.crash.kills 1000 [SEED]`."""

import random
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.crash import stored
from tests.crash.load import Load
from tests.served import serving

LONGEST = 0.8
"""Seconds that a server lives under load at most."""
WARM_EVERY = 5
"""One round in so many kills the server after its first upload. On a slow machine the others may not reach one."""
LOOKED_AT = 100
"""Promises that are checked after each kill; all are checked at the end."""
CHECK_EVERY = 50
"""Rounds between two runs of `imges fsck`."""
SETTLED = 20.0
"""Seconds within which a start must have taken back what the killed server left."""


def rounds(count: int, folder: Path, seed: int = 0) -> Load:
    """Returns all uploads of *count* rounds. Raises `AssertionError` on a bad one."""
    load, moments = Load(side=24), random.Random(seed)
    for number in range(count):
        with serving(folder, IMAGES__TIMEOUT="60 s") as served:  # many of them share two slow cores
            assert not (lost := load.lost(served, LOOKED_AT)), f"seed {seed}, round {number}: lost: {lost}"
            with load.on(served):
                if number % WARM_EVERY == 0:
                    load.wait_for_more()
                time.sleep(moments.uniform(0, LONGEST))
                served.process.kill()
                served.process.wait()
        assert not load.refused, f"seed {seed}, round {number}: {load.refused[0]}\n{served.log[-2000:]}"
        if number % CHECK_EVERY == CHECK_EVERY - 1 and number < count - 1:
            told = f"{number + 1} of {count} rounds, {len(load.acknowledged)} uploads acknowledged, 0 lost"
            click.echo(told, err=True)
            settle(folder)
    settle(folder, load)
    return load


def settle(folder: Path, load: Load | None = None) -> None:
    """Starts once more: the rest of the kills is taken back, *load* has lost nothing, and fsck finds nothing."""
    with serving(folder, IMAGES__TIMEOUT="60 s") as served:  # many of them share two slow cores
        assert load is None or not (lost := load.lost(served)), f"lost: {lost}"
        deadline = time.monotonic() + SETTLED
        while (wrong := stored.fsck(folder)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not wrong, f"fsck: {wrong}\n{served.log[-1500:]}"
        assert not stored.spooled(folder)


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        done = rounds(wanted, Path(name), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    click.echo(f"{wanted} rounds of kill -9 under load: {len(done.acknowledged)} uploads acknowledged, 0 lost")
