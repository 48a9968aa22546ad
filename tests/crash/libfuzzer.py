"""Targets for libFuzzer, which finds inputs that reach new code: `python -m tests.crash.libfuzzer NAME [SECONDS]`.

New inputs are kept in build/fuzz/NAME for the next run. An input that breaks something is kept in
build/fuzz/NAME-crash-….
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import atheris

with atheris.instrument_imports(
    include=[
        "imges.imaging.formats",
        "imges.imaging.header",
        "imges.web",
        "imges.receiving.intake",
        "imges.receiving.spool",
        "imges.receiving.text",
    ]
):
    from tests.crash import fuzz_filter, fuzz_form
from tests.crash import budget

BUILT = Path("build/fuzz")
SLOWEST = 10
"""Seconds that one input may take; a longer one counts as endless. `budget` allows far less, by the byte."""
MEMORY = 2048
"""Megabytes of the process, which keeps its inputs and the samples."""


class Target(Protocol):
    """One module of this folder."""

    LONGEST: int
    """Bytes of an input."""

    def seeds(self) -> Iterable[bytes]: ...

    def one(self, data: bytes) -> None:
        """Raises `AssertionError`, or another error, if a promise is broken."""
        ...

    def mended(self, data: bytes) -> bytes:
        """*data* with its checksums right, so that mutations are not refused for these alone."""
        ...


TARGETS: dict[str, Any] = {"filter": fuzz_filter, "form": fuzz_form}
SLOWER = 10
"""How many times slower code is whose branches libFuzzer counts."""


def mutating(target: Target) -> Callable[[bytes, int, int], bytes]:
    def mutated(data: bytes, most: int, seed: int) -> bytes:
        changed: bytes = atheris.Mutate(data, most)
        return (target.mended(changed) if seed % 4 else changed)[:most]

    return mutated


def main(name: str, seconds: int) -> None:
    target = TARGETS[name]
    corpus = BUILT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SLOWEST}",
        f"-rss_limit_mb={MEMORY}",
        f"-max_len={target.LONGEST}",
        f"-artifact_prefix={corpus}-",
        "-print_final_stats=1",
        str(corpus),
    ]
    one = partial(budget.spent, target.one, slower=SLOWER)
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutating(target))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 240)
