"""What runs inside a worker process: how it is prepared, what it answers, and what errors of the system become."""

import ctypes
import errno
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe, RawValue
from pathlib import Path
from typing import Any

import pytest

from imges.errors import DiskReserve, ProcessingFailed, SettingsError, SpoolUnavailable, TooLargeImage
from imges.imaging import cost, pipe, worker
from imges.imaging.types import Given, Header, Limits, Recipe
from tests import drawn

MB = 2**20
LIMITS = Limits(frozenset({"jpg", "gif"}), side=1000, pixels=10**6, frames=10, total_pixels=10**7)

STARTED = """
import ctypes, json, os, resource, signal, sys
from pathlib import Path
from imges.imaging import worker

before = os.nice(0)
asked = []
worker.cage.confine = lambda folder, read: asked.append((str(folder), worker._statm is not None)) or "a cage"
ctypes.CDLL(None).prctl  # loaded before the limits
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker.start(sys.argv[2], worker.Folders(Path(sys.argv[1]), Path(sys.argv[1]), 512 * 2**20))
print(json.dumps({
    "nice": os.nice(0) - before,
    "score": Path("/proc/self/oom_score_adj").read_text().strip(),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "file": resource.getrlimit(resource.RLIMIT_FSIZE),
    "folder": os.environ["TMPDIR"],
    "term": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    "asked": asked,
    "about": worker.about(),
    "statm": os.get_inheritable(worker._statm),
    "used": worker._used(),
}))
"""


def test_a_worker_is_prepared_before_it_decodes(tmp_path: Path):
    given = [sys.executable, "-c", STARTED, tmp_path, "pillow"]
    told = json.loads(subprocess.run(given, capture_output=True, text=True, check=True).stdout)
    assert 4 * MB < told.pop("used") < 2**31
    assert told == {
        "nice": 5,
        "score": "1000",
        "core": [0, 0],
        "file": [512 * MB] * 2,
        "folder": str(tmp_path),
        "term": True,
        "asked": [[str(tmp_path), True]],
        "about": ["pillow", "a cage"],
        "statm": False,
    }


@pytest.fixture
def pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_processor", worker.load("pillow"))


def test_which_processor_is_loaded(monkeypatch: pytest.MonkeyPatch):
    assert [getattr(worker.load(name), "name", None) for name in ("auto", "vips", "pillow")] == [
        "vips", "vips", "pillow",
    ]  # fmt: skip
    for error in (None, OSError):
        if error is None:
            monkeypatch.setitem(sys.modules, "imges.imaging.vips", None)  # ImportError
        else:
            monkeypatch.setitem(sys.modules, "imges.imaging.vips", type(sys)("vips"))
            monkeypatch.setattr(sys.modules["imges.imaging.vips"], "VipsProcessor", _missing, raising=False)
        assert worker.load("vips") is None
        found = worker.load("auto")
        assert found is not None
        assert found.name == "pillow"


def _missing() -> None:
    raise OSError("libvips.so.42")


def test_a_processor_that_is_missing_is_reported_in_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "_processor", None)
    with pytest.raises(SettingsError, match="processor is vips, but libvips cannot be loaded"):
        worker.about()


def given(folder: Path, data: bytes) -> Given:
    (folder / "given").write_bytes(data)
    return Given(folder / "given", len(data))


@pytest.mark.usefixtures("pillow")
def test_a_picture_is_made_at_once_if_its_share_is_enough(tmp_path: Path):
    file = given(tmp_path, drawn.jpeg())
    header = Header("jpg", 640, 480, channels=3, file_size=file.size, samples=1.5)
    needed = cost.memory("pillow", header, Recipe())
    found, made = worker.take(file, LIMITS, Recipe(), tmp_path, needed)
    assert found == header
    assert made is not None
    assert made.thumb.path.is_file()
    assert worker.take(file, LIMITS, Recipe(), tmp_path, needed - 1) == (header, None)


@pytest.mark.usefixtures("pillow")
def test_an_animation_is_never_made_at_once(tmp_path: Path):
    file = given(tmp_path, drawn.gif(640, 480, 2))
    assert worker.take(file, LIMITS, Recipe(), tmp_path, 2**40)[1] is None
    still = worker.take(file, LIMITS, Recipe(animate=False), tmp_path, 2**40)[1]
    assert still is not None
    assert still.frames == 2


@pytest.mark.usefixtures("pillow")
def test_what_is_beyond_the_limits_is_refused_before_it_is_made(tmp_path: Path):
    with pytest.raises(TooLargeImage):
        worker.take(given(tmp_path, drawn.jpeg(1001, 10)), LIMITS, Recipe(), tmp_path, 2**40)
    assert [file.name for file in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (MemoryError(), worker.OutOfMemory),
        (OSError(errno.ENOSPC, ""), DiskReserve),
        (OSError(errno.EDQUOT, ""), DiskReserve),
        (OSError(errno.EIO, ""), SpoolUnavailable),
        (FileNotFoundError(), SpoolUnavailable),
        (ValueError(), ValueError),
    ],
)
def test_errors_of_the_system_become_ours(error: Exception, becomes: type[Exception]):
    with pytest.raises(becomes) as raised, worker.system_errors():
        raise error
    assert type(raised.value) is becomes


@pytest.mark.usefixtures("pillow")
def test_a_file_that_is_not_there_is_the_spools_fault(tmp_path: Path):
    for call in (
        lambda: worker.inspect(tmp_path / "none", LIMITS.formats),
        lambda: worker.render(Given(tmp_path / "none", 1), Header("jpg", 1, 1), Recipe(), tmp_path, MB),
    ):
        with pytest.raises(SpoolUnavailable):
            call()


def test_memory_is_limited_for_a_while(monkeypatch: pytest.MonkeyPatch):
    set_to: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (5, 7))
    monkeypatch.setattr(resource, "setrlimit", lambda what, to: set_to.append((what, to)))
    monkeypatch.setattr(worker, "_statm", None)
    trimmed: list[int] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda _: type("Libc", (), {"malloc_trim": staticmethod(trimmed.append)}))
    with worker.limited(64 * MB - 1):
        assert set_to == [(resource.RLIMIT_DATA, (256 * MB + 64 * MB - 1 + 128 * MB, 7))]
    assert set_to[1:] == [(resource.RLIMIT_DATA, (7, 7))]
    assert trimmed == []
    with pytest.raises(ValueError, match="inside"), worker.limited(64 * MB):
        raise ValueError("inside")
    assert set_to[-1] == (resource.RLIMIT_DATA, (7, 7))
    assert trimmed == [0]


def test_what_is_used_is_read_from_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "statm").write_text("1 2 3 4 5 777 6\n")
    with (tmp_path / "statm").open("rb") as file:
        monkeypatch.setattr(worker, "_statm", file.fileno())
        assert worker._used() == 777 * resource.getpagesize()
        assert worker._used() == 777 * resource.getpagesize()


def test_libraries_without_arenas_are_no_harm(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        ctypes, "CDLL", lambda _: type("Libc", (), {"mallopt": staticmethod(lambda *a: asked.append(a))})
    )
    worker._use_one_arena()
    assert asked == [(-8, 1)]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    worker._use_one_arena()


def answered(*calls: tuple[Callable[..., Any], tuple[Any, ...]]) -> list[tuple[Any, int]]:
    """What `answer_calls` answers, and the number that it shares at the end."""
    ours, theirs = Pipe()
    begun = RawValue("Q", 0)
    for number, (function, arguments) in enumerate(calls, 10):
        ours.send((number, function, arguments))
    ours.send_bytes(b"")  # ends it: no pickle is empty
    worker.answer_calls(theirs, begun)
    return [(pipe.read(ours.recv_bytes()), begun.value) for _ in calls]


def test_calls_are_answered_one_after_the_other():
    told = answered((max, (1, 2)), (int, ("x",)), (min, (3, 4)))
    assert [number for _, number in told] == [12] * 3
    (first, _), (second, _), (third, _) = told
    assert (first, third) == ((True, 2), (True, 3))
    assert not second[0]
    assert isinstance(second[1], ValueError)


def test_out_of_memory_is_reported_as_a_failure():
    assert isinstance(worker.OutOfMemory(), ProcessingFailed)
    assert worker.OutOfMemory().status == 422
