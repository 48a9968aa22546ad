"""Rounds of SIGTERM under load: `python -m tests.crash.drain 100 [SEED]`."""

import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.crash.load import Load
from tests.served import serving

WITHIN = 30
"""Seconds within which the server must stop."""


def rounds(count: int, folder: Path, seed: int = 0) -> tuple[Load, float]:
    """Returns all uploads of *count* rounds and the longest stop in seconds. Raises `AssertionError` on a bad one."""
    load, moments, longest = Load(), random.Random(seed), 0.0
    for number in range(count):
        with serving(folder) as served, load.on(served):
            if not load.acknowledged:
                load.wait_for_more()
            time.sleep(moments.uniform(0, 0.8))
            began = time.monotonic()
            served.process.send_signal(signal.SIGTERM)
            status = served.process.wait(WITHIN)
            longest = max(longest, time.monotonic() - began)
        assert status == 0, f"round {number}: exit status {status}\n{served.log[-2000:]}"
        assert not load.refused, f"round {number}: {load.refused[0]}\n{served.log[-2000:]}"
    with serving(folder) as served:
        assert not (lost := load.lost(served)), f"lost: {lost}"
    return load, longest


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        done, seconds = rounds(wanted, Path(name), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    click.echo(f"{wanted} rounds of SIGTERM: {len(done.acknowledged)} uploads acknowledged, 0 lost")
    click.echo(f"the longest stop took {seconds:.1f} s")
