"""How a picture is admitted and handed to a worker: shares of memory and time, and what becomes of expensive ones."""

import asyncio
import errno
import os
import resource
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from imges.errors import ImgesError, ProcessingFailed, SettingsError, SpoolUnavailable, TooLargeImage
from imges.imaging import cost, worker
from imges.imaging.executor import Imaging, link, open_imaging
from imges.imaging.handover import copied
from imges.imaging.slots import Slots
from imges.imaging.types import Given, Header, Limits, Recipe, Rendition
from imges.imaging.workers import OutOfTime
from tests import drawn

MB = 2**20
ALL = frozenset({"jpg", "png", "gif", "webp"})
LIMITS = Limits(ALL, side=10_000, pixels=10**7, frames=100, total_pixels=10**8)


@dataclass
class Here:
    """A worker that answers in this process, and what it was asked. *fails*: its next jobs raise these."""

    folder: Path
    fails: list[ImgesError] = field(default_factory=list)
    asked: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    tidied: int = 0

    @property
    def work(self) -> Path:
        return self.folder

    @property
    def given(self) -> Path:
        return self.folder / "file"

    def ready(self) -> Path:
        return self.folder

    def tidy(self) -> None:
        self.tidied += 1
        for file in self.folder.iterdir():
            file.unlink()

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self.asked.append((function.__name__, arguments))
        return function(*arguments)

    async def call(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        self.seconds.append(seconds)
        return self.ask(function, *arguments)

    async def run(self, job: Callable[[], Any], *, seconds: float) -> Any:
        self.seconds.append(seconds)
        if self.fails:
            raise self.fails.pop(0)
        return job()


class Pool:
    """A pool of one worker in this process. It counts how often it was started and closed."""

    def __init__(self, here: Here) -> None:
        self.here = here
        self.started = self.closed = 0

    async def start(self) -> None:
        self.started += 1

    async def close(self) -> None:
        self.closed += 1

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[Here]:
        yield self.here


class Counted(Slots):
    """Slots that remember the memory and the size of the file of each request."""

    def __init__(self, memory: int) -> None:
        super().__init__(1, memory, tells=False)
        self.held_for: list[tuple[int, int]] = []

    @asynccontextmanager
    async def held(self, memory: int, size: int = 0, client: str | None = None) -> AsyncGenerator[None]:
        self.held_for.append((memory, size))
        async with super().held(memory, size, client):
            yield


@dataclass
class House:
    """Image processing with a worker in this process."""

    imaging: Imaging
    here: Here
    pool: Pool
    slots: Counted
    outside: Path

    def given(self, data: bytes, *, ours: bool = False) -> Given:
        path = self.outside / "received"
        path.write_bytes(data)
        return Given(path, len(data), ours=ours)


@pytest.fixture(autouse=True)
def pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_processor", worker.load("pillow"))
    monkeypatch.setattr(worker, "_cage", "no cage")


@asynccontextmanager
async def opened(tmp_path: Path, *, limit: float = 8, memory: int = 512 * MB, share: int = 64 * MB):
    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()
    here = Here(tmp_path / "inside")
    pool, slots = Pool(here), Counted(memory)
    imaging = Imaging(pool, slots, timeout=limit, memory=memory, share=share)  # pyright: ignore[reportArgumentType]
    yield House(imaging, here, pool, slots, tmp_path / "outside")
    await imaging.close()


async def test_the_workers_tell_once_what_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    async with opened(tmp_path) as house:
        assert await house.imaging.ready() == "pillow"
        assert await house.imaging.cage() == "no cage"
        assert house.here.asked == [("about", ())]
        assert house.here.seconds == [30]
        assert house.pool.started == 1
        assert "pictures are decoded by pillow; what keeps decoders in: no cage" in caplog.text
    assert house.pool.closed == 1


async def test_workers_that_could_not_start_are_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with opened(tmp_path) as house:
        processor = worker._processor
        monkeypatch.setattr(worker, "_processor", None)
        with pytest.raises(SettingsError):
            await house.imaging.ready()
        monkeypatch.setattr(worker, "_processor", processor)
        assert await house.imaging.ready() == "pillow"
        assert await house.imaging.ready() == "pillow"
        assert len(house.here.asked) == 2


async def test_a_plain_picture_takes_one_call_and_a_share_of_the_memory(tmp_path: Path):
    async with opened(tmp_path) as house:
        file = house.given(drawn.jpeg())
        await house.imaging.ready()
        made = await house.imaging.take(file, LIMITS, Recipe(), house.outside)
        assert house.slots.held_for == [(64 * MB, file.size)]
        assert house.here.seconds == [30, 8]
        assert [name for name, _ in house.here.asked] == ["about", "take"]
        assert {made.original.path, made.thumb.path, made.medium and made.medium.path} == {
            house.outside / name for name in ("original.jpg", "thumb.jpg", "medium.jpg")
        }
        assert all(path.is_file() for path in (made.original.path, made.thumb.path))
        assert not any(house.here.folder.iterdir())
        assert house.here.tidied == 1


async def test_content_is_written_to_its_file_first(tmp_path: Path):
    async with opened(tmp_path) as house:
        path = house.outside / "received"
        file = Given(path, len(drawn.png()), ours=True, content=drawn.png())
        made = await house.imaging.take(file, LIMITS, Recipe(), house.outside)
        assert made.original.path == path
        assert path.read_bytes() == drawn.png()
        _, arguments = house.here.asked[-1]
        assert arguments[0].content is None
        path.unlink()
        with pytest.raises(SpoolUnavailable):
            await house.imaging.take(replace(file, path=tmp_path / "none" / "x"), LIMITS, Recipe(), house.outside)


async def test_what_needs_more_than_a_share_is_admitted_anew_for_what_it_needs(tmp_path: Path):
    async with opened(tmp_path, share=MB) as house:
        file = house.given(drawn.jpeg())
        made = await house.imaging.take(replace(file, content=drawn.jpeg()), LIMITS, Recipe(), house.outside)
        assert made.original.path.is_file()
        header = Header("jpg", 640, 480, channels=3, file_size=file.size)
        needed = cost.memory("pillow", header, Recipe())
        assert house.slots.held_for == [(MB, file.size), (needed, file.size)]
        assert [name for name, _ in house.here.asked if name != "about"] == ["take", "render"]
        (_, arguments) = house.here.asked[-1]
        assert arguments[-1] == needed
        assert arguments[0].content is None


async def test_a_picture_beyond_the_limits_is_refused(tmp_path: Path):
    async with opened(tmp_path) as house:
        with pytest.raises(TooLargeImage):
            await house.imaging.take(house.given(drawn.jpeg()), replace(LIMITS, side=639), Recipe(), house.outside)
        assert not any(house.here.folder.iterdir())


async def test_looking_at_a_header_takes_little_memory(tmp_path: Path):
    async with opened(tmp_path) as house:
        file = house.given(drawn.jpeg(orientation=6))
        header = await house.imaging.inspect(file.path, ALL)
        assert (header.displayed, header.file_size) == ((480, 640), file.size)
        assert house.slots.held_for == [(16 * MB, 0)]
        assert house.here.seconds[0] == 8
    (tmp_path / "b").mkdir()
    async with opened(tmp_path / "b", memory=10 * MB) as house:
        await house.imaging.inspect(house.given(drawn.jpeg()).path, ALL)
        assert house.slots.held_for == [(10 * MB, 0)]


GIF = Header("gif", 640, 480, frames=4, channels=3)


def moving(width: int = 640, height: int = 480) -> bytes:
    return drawn.gif(width, height, 4)


async def test_an_animation_has_three_quarters_of_the_time(tmp_path: Path):
    async with opened(tmp_path) as house:
        made = await house.imaging.take(house.given(moving()), LIMITS, Recipe(), house.outside)
        assert house.here.seconds[-1] == 6
        assert made.medium
        assert [name for name, _ in house.here.asked if name != "about"] == ["take", "render"]
        assert house.here.asked[-1][1][2].animate


@pytest.mark.parametrize("failure", [OutOfTime, worker.OutOfMemory])
async def test_an_animation_that_takes_too_long_has_no_medium(tmp_path: Path, failure: type[ImgesError]):
    async with opened(tmp_path) as house:
        file = house.given(moving())
        await house.imaging.ready()
        header = await house.imaging.inspect(file.path, ALL)
        house.here.fails = [failure()]
        made = await house.imaging.render(file.path, header, Recipe(), house.outside)
        assert house.here.seconds[-2:] == [6, 2]
        assert made.medium is None
        assert not house.here.asked[-1][1][2].animate
        house.here.fails = [failure()]
        with pytest.raises(TooLargeImage):  # the original itself would have to be animated
            await house.imaging.render(file.path, header, Recipe(width=639), house.outside)
        house.here.fails = [failure(), failure()]
        with pytest.raises(failure):
            await house.imaging.render(file.path, header, Recipe(width=640), house.outside)


async def test_a_still_that_takes_too_long_is_refused(tmp_path: Path):
    async with opened(tmp_path) as house:
        file = house.given(drawn.jpeg())
        await house.imaging.ready()
        header = await house.imaging.inspect(file.path, ALL)
        house.here.fails = [OutOfTime()]
        with pytest.raises(OutOfTime):
            await house.imaging.render(file.path, header, Recipe(), house.outside)
        assert house.here.seconds[-1] == 8


async def rendered_without_motion(tmp_path: Path, **given: Any) -> bool:
    """Whether the four frames get no medium because animating them would cost too much."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    async with opened(folder, **given) as house:
        file = house.given(moving())
        await house.imaging.render(file.path, replace(GIF, file_size=file.size), Recipe(), house.outside)
        return not house.here.asked[-1][1][2].animate


async def test_an_animation_that_would_cost_too_much_has_no_medium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    needed = cost.memory("pillow", replace(GIF, file_size=len(moving())), Recipe())
    assert await rendered_without_motion(tmp_path, memory=needed - 1)
    assert not await rendered_without_motion(tmp_path, memory=needed)
    monkeypatch.setattr(cost, "seconds", lambda *_: 4.0)
    assert not await rendered_without_motion(tmp_path, limit=8)
    assert await rendered_without_motion(tmp_path, limit=7.9)


async def test_a_file_on_another_disk_is_copied_and_other_errors_are_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = tmp_path / "source"
    source.write_bytes(b"12345")
    link(source, tmp_path / "linked")
    assert (tmp_path / "linked").samefile(source)

    def failing(number: int) -> Callable[..., None]:
        def fail(*_: object) -> None:
            raise OSError(number, "")

        return fail

    for number in (errno.EXDEV, errno.EPERM, errno.EMLINK):
        monkeypatch.setattr(os, "link", failing(number))
        copy = tmp_path / str(number)
        link(source, copy)
        assert copy.read_bytes() == b"12345"
        assert not copy.samefile(source)
    monkeypatch.setattr(os, "link", failing(errno.EIO))
    with pytest.raises(SpoolUnavailable):
        link(source, tmp_path / "never")
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("name", ["original", "original.", "original.PNG", "other.png", "thumb.png.x", "xthumb.png"])
def test_a_worker_may_not_name_its_files_as_it_likes(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"1")
    made = Rendition(tmp_path / name, 1, "", "png", 1, 1, 8, None)
    with pytest.raises(ProcessingFailed):
        copied(made, tmp_path, tmp_path / "outside")


def test_a_file_that_is_no_file_does_not_leave(tmp_path: Path):
    (tmp_path / "medium.png").mkdir()
    size = (tmp_path / "medium.png").lstat().st_size
    with pytest.raises(ProcessingFailed):
        copied(Rendition(tmp_path / "medium.png", size, "", "png", 1, 1, 8, None), tmp_path, tmp_path)


def test_a_shortage_of_the_system_is_no_fault_of_the_picture(tmp_path: Path):
    """Here no further file can be opened. The client is asked to try again; its picture is not called damaged."""
    (tmp_path / "thumb.png").write_bytes(b"1")
    made = Rendition(tmp_path / "thumb.png", 1, "", "png", 1, 1, 8, None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(SpoolUnavailable):
            copied(made, tmp_path, tmp_path / "outside")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class AllSlots:
    """A budget of several processes that is never used up."""

    @asynccontextmanager
    async def held(self, memory: int) -> AsyncGenerator[None]:
        yield


@pytest.mark.parametrize(
    ("memory", "workers", "budget", "share"),
    [
        pytest.param(512 * MB, 4, None, 128 * MB, id="alone"),
        pytest.param(512 * MB, 4, AllSlots(), 64 * MB, id="several share it"),
        pytest.param(200 * MB, 4, AllSlots(), 50 * MB, id="several share little"),
    ],
)
async def test_what_any_picture_is_given_to_begin_with(
    tmp_path: Path, memory: int, workers: int, budget: AllSlots | None, share: int
):
    given = open_imaging(
        "pillow", workers=workers, limit=timedelta(seconds=3), memory=memory, spool=tmp_path / "spool", budget=budget
    )
    async with given as imaging:
        assert imaging._share == share
        assert imaging._timeout == 3
        assert imaging._memory == memory


async def test_opening_waits_for_libvips_if_the_settings_ask_for_it(tmp_path: Path):
    for processor in ("vips", "auto"):
        async with asyncio.timeout(60), open_imaging(
            processor, workers=1, limit=timedelta(seconds=20), memory=512 * MB, spool=tmp_path / "spool"
        ) as imaging:  # fmt: skip
            assert imaging._about.done() == (processor == "vips")
            assert await imaging.ready() == "vips"
