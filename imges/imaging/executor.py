"""Image processing as the service sees it: in worker processes, admitted by what it will cost."""

import asyncio
import errno
import logging
import re
import shutil
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from imges.errors import ProcessingFailed, TooLargeImage
from imges.imaging import cost, worker
from imges.imaging.slots import Budget, SharedSlots, Slots
from imges.imaging.types import Header, Recipe, Rendition, Renditions
from imges.imaging.workers import OutOfTime, Worker, Workers

log = logging.getLogger(__name__)

START = 30.0
"""Seconds in which the workers must have started; it takes half of one."""
ANIMATING = 0.75
"""How much of a worker's time an animation may take; what is left is enough to make a still instead."""
INSPECTION = 16 * 2**20
"""Bytes of memory that looking at a header takes, besides the file."""


@asynccontextmanager
async def open_imaging(
    processor: Literal["auto", "vips", "pillow"],
    *,
    workers: int,
    limit: timedelta,
    memory: int,
    spool: Path,
    budget: Budget | None = None,
) -> AsyncGenerator["Imaging"]:
    """Image processing in *workers* processes, which start meanwhile.

    *limit* is a worker's time for one picture, *memory* (bytes) is for all of them together; below *spool* each has a
    folder, the only one that it reaches. *budget* is what several such pools have together.
    Raises: SettingsError where *processor* is `vips` and libvips cannot be loaded.
    """
    pool = Workers(processor, workers, spool)
    own = Slots(workers, memory, tells=budget is None)
    slots = own if budget is None else SharedSlots(own, budget)
    imaging = Imaging(pool, slots, limit.total_seconds(), memory)
    try:
        if processor == "vips":
            await imaging.ready()
        yield imaging
    finally:
        await imaging.close()


class Imaging:
    """What the service asks of image processing. Its two calls raise Busy where no worker gets free in time."""

    def __init__(self, workers: Workers, slots: Budget, timeout: float, memory: int) -> None:
        self._workers = workers
        self._slots = slots
        self._timeout = timeout
        self._memory = memory
        self._about = self._asked()

    async def ready(self) -> str:
        """The processor's name, as soon as the workers have started. Raises: SettingsError, ProcessingFailed."""
        return (await self._answered())[0]

    async def cage(self) -> str:
        """What keeps the workers from everything but their work. Raises: SettingsError, ProcessingFailed."""
        return (await self._answered())[1]

    async def _answered(self) -> tuple[str, str]:
        if self._about.done() and self._about.exception():
            self._about = self._asked()
        return await asyncio.shield(self._about)

    def _asked(self) -> asyncio.Task[tuple[str, str]]:
        return asyncio.create_task(self._ask())

    async def _ask(self) -> tuple[str, str]:
        async with self._workers.one() as one:
            name, cage = await one.call(worker.about, seconds=START)
        log.info("pictures are decoded by %s; what keeps decoders in: %s", name, cage)
        return name, cage

    async def close(self) -> None:
        """End the workers, whatever they are doing."""
        self._about.cancel()  # else it waits for workers that were ended while they started
        await asyncio.gather(self._about, return_exceptions=True)
        await self._workers.close()

    async def inspect(self, file: Path, allowed: frozenset[str]) -> Header:
        """What the header of *file* says.

        Raises: NotAnImage, FormatRefused for what is not in *allowed*, ProcessingFailed, Busy, SpoolUnavailable.
        """
        async with self._slots.held(min(INSPECTION, self._memory)), self._workers.one() as one:
            given = await handed_in(file, one)
            return await one.call(worker.inspect, given, allowed, seconds=self._timeout)

    async def render(self, file: Path, header: Header, recipe: Recipe, folder: Path) -> Renditions:
        """All files of *recipe* in *folder*, made from *file* whose *header* `inspect` told.

        A medium is a still where animating it would cost too much, or did. Raises: NotAnImage for what is damaged,
        TooLargeImage, ProcessingFailed, Busy, DiskReserve, SpoolUnavailable.
        """
        recipe = await self._affordable(header, recipe)
        if not cost.is_animated(header, recipe):
            return await self._render(file, header, recipe, folder, seconds=self._timeout)
        try:
            return await self._render(file, header, recipe, folder, seconds=self._timeout * ANIMATING)
        except (OutOfTime, worker.OutOfMemory):
            still = _as_still(header, recipe)
            return await self._render(file, header, still, folder, seconds=self._timeout * (1 - ANIMATING))

    async def _affordable(self, header: Header, recipe: Recipe) -> Recipe:
        """*recipe* without animation where that is estimated to take too long, or too much memory."""
        if not cost.is_animated(header, recipe):
            return recipe
        needed = cost.memory(await self.ready(), header, recipe)
        if cost.seconds(header, recipe) > self._timeout / 2 or needed > self._memory:
            return _as_still(header, recipe)
        return recipe

    async def _render(self, file: Path, header: Header, recipe: Recipe, folder: Path, *, seconds: float) -> Renditions:
        memory = cost.memory(await self.ready(), header, recipe)
        async with self._slots.held(memory), self._workers.one() as one:
            given = await handed_in(file, one)
            cage = given.parent
            made = await one.call(worker.render, given, header, recipe, cage, memory, seconds=seconds)
            return await asyncio.to_thread(taken_out, made, cage, folder)


async def handed_in(file: Path, one: Worker) -> Path:
    """*file* where the worker can read it. Raises: SpoolUnavailable, DiskReserve."""
    return await asyncio.to_thread(linked, file, await one.folder() / "given")


def linked(file: Path, path: Path) -> Path:
    """A second name of *file*, or a copy where it lies on another disk."""
    with worker.system_errors():
        path.unlink(missing_ok=True)
        try:
            path.hardlink_to(file)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK}:
                raise
            shutil.copyfile(file, path)
    return path


def taken_out(made: Renditions, cage: Path, folder: Path) -> Renditions:
    """*made* with its files moved from *cage* to *folder*, out of the worker's reach.

    Raises: ProcessingFailed for what is no plain file there of the size that was told: a decoder may have been taken
    over, and its word is not worth much.
    """
    return replace(
        made,
        original=_moved(made.original, cage, folder),
        thumb=_moved(made.thumb, cage, folder),
        medium=made.medium and _moved(made.medium, cage, folder),
    )


def _moved(made: Rendition, cage: Path, folder: Path) -> Rendition:
    name = made.path.name
    if not re.fullmatch(r"(original|thumb|medium)\.[a-z]+", name):
        raise ProcessingFailed
    with worker.system_errors():
        found = (cage / name).lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size != made.size:
            raise ProcessingFailed
        (cage / name).rename(folder / name)
    return replace(made, path=folder / name)


def _as_still(header: Header, recipe: Recipe) -> Recipe:
    """*recipe* with a still for a medium. Raises: TooLargeImage where the original itself would have to be animated."""
    if recipe.width is not None and recipe.width < header.displayed[0]:
        raise TooLargeImage("this animation is too large to be resized; send it without `width`")
    return replace(recipe, animate=False)
