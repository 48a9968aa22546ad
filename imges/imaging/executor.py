"""Image processing as the service sees it: in worker processes, admitted by what it will cost."""

import asyncio
import errno
import logging
import os
import re
import shutil
import stat
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from imges.errors import ProcessingFailed, TooLargeImage
from imges.imaging import cost, worker
from imges.imaging.slots import Budget, SharedSlots, Slots
from imges.imaging.types import Given, Header, Limits, Recipe, Rendition, Renditions
from imges.imaging.workers import OutOfTime, Worker, Workers

log = logging.getLogger(__name__)

START = 30.0
"""Seconds in which the workers must have started; it takes half of one."""
ANIMATING = 0.75
"""How much of a worker's time an animation may take; what is left is enough to make a still instead."""
MODEST = 64 * 2**20
"""Bytes that a picture is given to begin with where several processes share the memory."""
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
    share = memory // workers if budget is None else min(memory // workers, MODEST)
    imaging = Imaging(pool, slots, timeout=limit.total_seconds(), memory=memory, share=share)
    try:
        if processor == "vips":
            await imaging.ready()
        yield imaging
    finally:
        await imaging.close()


class Imaging:
    """What the service asks of image processing. All calls raise Busy where no worker gets free in time.

    *timeout* in seconds; *memory* in bytes for all decoders; *share*: what any picture is given to begin with.
    """

    def __init__(
        self, workers: Workers, slots: Slots | SharedSlots, *, timeout: float, memory: int, share: int
    ) -> None:
        self._workers = workers
        self._slots = slots
        self._timeout = timeout
        self._memory = memory
        self._share = share
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
        await self._workers.start()
        async with self._workers.one() as one:
            name, cage = await one.call(worker.about, seconds=START)
        log.info("pictures are decoded by %s; what keeps decoders in: %s", name, cage)
        return name, cage

    async def close(self) -> None:
        """End the workers, whatever they are doing."""
        self._about.cancel()  # else it waits for workers that were ended while they started
        await asyncio.gather(self._about, return_exceptions=True)
        await self._workers.close()

    async def take(self, file: Given, limits: Limits, recipe: Recipe, folder: Path) -> Renditions:
        """`inspect` and `render` in one; between them *file* is refused if beyond *limits*.

        One call serves nearly all pictures: who fits into a worker's share of the memory need not be admitted again.
        Where nothing has to be taken off, the original is *file* itself. Raises what both do; TooLargeImage.
        """
        async with self._slots.held(self._share, file.size), self._workers.one() as one:
            job = partial(at_once, one, file, limits, recipe, folder, memory=self._share)
            header, made = await one.run(job, seconds=self._timeout)
        return made or await self._rendered(replace(file, content=None), header, recipe, folder)

    async def inspect(self, file: Path, allowed: frozenset[str]) -> Header:
        """What the header of *file* says.

        Raises: NotAnImage, FormatRefused for what is not in *allowed*, ProcessingFailed, Busy, SpoolUnavailable.
        """
        async with self._slots.held(min(INSPECTION, self._memory)), self._workers.one() as one:
            return await one.run(partial(inspected, one, file, allowed), seconds=self._timeout)

    async def render(self, file: Path, header: Header, recipe: Recipe, folder: Path) -> Renditions:
        """All files of *recipe* in *folder*, made from *file* whose *header* `inspect` told.

        A medium is a still where animating it would cost too much, or did. Raises: NotAnImage for what is damaged,
        TooLargeImage, ProcessingFailed, Busy, DiskReserve, SpoolUnavailable.
        """
        return await self._rendered(Given(file, header.file_size), header, recipe, folder)

    async def _rendered(self, file: Given, header: Header, recipe: Recipe, folder: Path) -> Renditions:
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

    async def _render(self, file: Given, header: Header, recipe: Recipe, folder: Path, *, seconds: float) -> Renditions:
        memory = cost.memory(await self.ready(), header, recipe)
        async with self._slots.held(memory, header.file_size), self._workers.one() as one:
            job = partial(rendered, one, file, header, recipe, folder, memory=memory)
            return await one.run(job, seconds=seconds)


# In the worker's thread


def at_once(
    one: Worker, file: Given, limits: Limits, recipe: Recipe, folder: Path, *, memory: int
) -> tuple[Header, Renditions | None]:
    if file.content is not None:
        with worker.system_errors():
            file.path.write_bytes(file.content)
    with handed_in(file.path, one) as given:
        header, made = one.ask(
            worker.take, replace(file, path=given, content=None), limits, recipe, given.parent, memory
        )
        return header, made and taken_out(made, file, given, folder)


def inspected(one: Worker, file: Path, allowed: frozenset[str]) -> Header:
    with handed_in(file, one) as given:
        return one.ask(worker.inspect, given, allowed)


def rendered(one: Worker, file: Given, header: Header, recipe: Recipe, folder: Path, *, memory: int) -> Renditions:
    with handed_in(file.path, one) as given:
        made = one.ask(worker.render, replace(file, path=given), header, recipe, given.parent, memory)
        return taken_out(made, file, given, folder)


@contextmanager
def handed_in(file: Path, one: Worker) -> Generator[Path]:
    """*file* where the worker can read it; its folder is emptied afterwards. Raises: SpoolUnavailable, DiskReserve."""
    given = one.ready() / "given"
    try:
        link(file, given)
        yield given
    finally:
        one.tidy()


def link(file: Path, path: Path) -> None:
    """A second name of *file*, or a copy where it lies on another disk."""
    with worker.system_errors():
        try:
            os.link(file, path)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK}:
                raise
            shutil.copyfile(file, path)


def taken_out(made: Renditions, file: Given, given: Path, folder: Path) -> Renditions:
    """*made* with its files moved to *folder*, out of the reach of the worker that had *file* as *given*.

    Raises: ProcessingFailed for what is no plain file there of the size that was told: a decoder may have been taken
    over, and its word is not worth much.
    """
    cage = given.parent
    if file.ours and made.original.path == given and made.original.size == file.size:
        original = replace(made.original, path=file.path)
    else:
        original = _moved(made.original, cage, folder)
    return replace(
        made,
        original=original,
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
