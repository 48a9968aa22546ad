"""What the cage of decoders costs: `python -m benchmarks.cage [ROUNDS]`.

Each round starts two processes, one in the cage and one without, in turn first and second. Both make the files of the
same pictures. CPU time is compared, not wall time, because other work on the machine changes it less.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from imges.imaging import MEDIA_TYPES, Recipe, cage, header, render, worker
from imges.imaging.types import Given
from tests import drawn

PICTURES = 12
"""That each process makes the files of, after one that is not counted."""


def seconds(folder: Path, *, caged: bool) -> float:
    """Returns the CPU time that a new process takes for a picture."""
    (folder / "given").mkdir(parents=True)
    (folder / "work").mkdir()
    content = drawn.encoded(drawn.gradient(1920, 1440), "JPEG", quality=88)
    (folder / "given" / "file").write_bytes(content)
    reading, writing = os.pipe()
    if os.fork() == 0:
        _measure(folder, len(content), caged=caged, told=lambda text: os.write(writing, text))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = float(pipe.read())
    os.wait()
    return answer


def _measure(folder: Path, size: int, *, caged: bool, told: Callable[[bytes], object]) -> None:
    work, file = folder / "work", Given(folder / "given" / "file", size)
    os.environ["TMPDIR"] = str(work)
    if caged:
        cage.confine(work, [folder / "given"])
    processor = worker.load("auto")
    assert processor is not None
    began = 0.0
    for number in range(PICTURES + 1):
        if number == 1:
            began = time.process_time()
        found = header.inspect(file.path, frozenset(MEDIA_TYPES))
        render.render(processor, file, found, Recipe(), work)
        for made in work.iterdir():
            made.unlink()
    told(str((time.process_time() - began) / PICTURES).encode())


def main(rounds: int) -> None:
    taken: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as name:
        for number in range(rounds):
            for caged in (True, False) if number % 2 else (False, True):
                taken[caged].append(seconds(Path(name, f"{number}-{caged}"), caged=caged))
    free, held = (statistics.median(taken[caged]) for caged in (False, True))
    print(
        f"a picture without the cage: {free * 1000:.1f} ms of CPU; in it: {held * 1000:.1f} ms, {held / free - 1:+.1%}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
