"""Image processing as the service sees it: in worker processes, admitted by what it will cost."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from imges.errors import TooLargeImage
from imges.imaging import cost, worker
from imges.imaging.slots import Slots
from imges.imaging.types import Header, Recipe, Renditions
from imges.imaging.workers import OutOfTime, Workers

START = 30.0
"""Seconds in which the workers must have started; it takes half of one."""
ANIMATING = 0.75
"""How much of a worker's time an animation may take; what is left is enough to make a still instead."""
INSPECTION = 16 * 2**20
"""Bytes of memory that looking at a header takes, besides the file."""


@asynccontextmanager
async def open_imaging(
    processor: Literal["auto", "vips", "pillow"], *, workers: int, limit: timedelta, memory: int
) -> AsyncGenerator["Imaging"]:
    """Image processing in *workers* processes, which start meanwhile.

    *limit* is a worker's time for one picture, *memory* (bytes) is for all of them together.
    Raises: SettingsError where *processor* is `vips` and libvips cannot be loaded.
    """
    pool = Workers(processor, workers)
    imaging = Imaging(pool, Slots(workers, memory), limit.total_seconds(), memory)
    try:
        if processor == "vips":
            await imaging.ready()
        yield imaging
    finally:
        await imaging.close()


class Imaging:
    """What the service asks of image processing. Its two calls raise Busy where no worker gets free in time."""

    def __init__(self, workers: Workers, slots: Slots, timeout: float, memory: int) -> None:
        self._workers = workers
        self._slots = slots
        self._timeout = timeout
        self._memory = memory
        self._name = self._asked_for_name()

    async def ready(self) -> str:
        """The processor's name, as soon as the workers have started. Raises: SettingsError, ProcessingFailed."""
        if self._name.done() and self._name.exception():
            self._name = self._asked_for_name()
        return await asyncio.shield(self._name)

    def _asked_for_name(self) -> asyncio.Task[str]:
        return asyncio.create_task(self._workers.call(worker.name, seconds=START))

    async def close(self) -> None:
        """End the workers, whatever they are doing."""
        self._name.cancel()  # else it waits for workers that were ended while they started
        await asyncio.gather(self._name, return_exceptions=True)
        await self._workers.close()

    async def inspect(self, file: Path, allowed: frozenset[str]) -> Header:
        """What the header of *file* says.

        Raises: NotAnImage, FormatRefused for what is not in *allowed*, ProcessingFailed, Busy, SpoolUnavailable.
        """
        async with self._slots.held(min(INSPECTION, self._memory)):
            return await self._workers.call(worker.inspect, file, allowed, seconds=self._timeout)

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
        async with self._slots.held(memory):
            return await self._workers.call(worker.render, file, header, recipe, folder, memory, seconds=seconds)


def _as_still(header: Header, recipe: Recipe) -> Recipe:
    """*recipe* with a still for a medium. Raises: TooLargeImage where the original itself would have to be animated."""
    if recipe.width is not None and recipe.width < header.displayed[0]:
        raise TooLargeImage("this animation is too large to be resized; send it without `width`")
    return replace(recipe, animate=False)
