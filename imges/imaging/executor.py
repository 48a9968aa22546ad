"""Image processing as the use cases see it: in worker processes, admitted by what a picture will cost."""

import asyncio
import errno
import logging
import os
import shutil
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from imges.errors import ImgesError, TooLargeImage
from imges.imaging import cage, cost, worker
from imges.imaging.formats.removed import in_order
from imges.imaging.handover import checked_header, copied, honest, measured, number
from imges.imaging.slots import Budget, SharedSlots, Slots
from imges.imaging.types import Given, Header, Limits, Recipe, Renditions
from imges.imaging.workers import LARGEST_FILE, OutOfTime, Worker, Workers

log = logging.getLogger(__name__)

START = 30.0
"""Seconds in which the workers must have started; it takes half a second."""
TRIAL = 5.0
"""Seconds in which a worker must answer that has failed before."""
ANIMATING = 0.75
"""The part of a worker's time that an animation may take. The rest is enough for a thumb without a medium."""
MODEST = 64 * 2**20
"""Bytes of memory that a picture gets at first if several processes share the memory."""
INSPECTION = 16 * 2**20
"""Bytes of memory that reading a header takes, besides the file."""


@asynccontextmanager
async def open_imaging(
    processor: Literal["auto", "vips", "pillow"],
    *,
    workers: int,
    limit: timedelta,
    memory: int,
    spool: Path,
    budget: Budget | None = None,
    most: int = LARGEST_FILE,
) -> AsyncGenerator["Imaging"]:
    """Image processing in *workers* processes. They start in the background.

    *limit* is the time that a worker has for one picture; *memory*, in bytes, is for all workers together. Each worker
    has a folder below *spool*, the only one that it reaches, and writes files of at most *most* bytes there.
    *budget* is what several such pools share.
    Raises `SettingsError` if *processor* is `vips` and libvips cannot be loaded.
    """
    pool = Workers(processor, workers, spool, most)
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
    """Image processing for the use cases. All calls raise `Busy` if no worker becomes free in time.

    *timeout* is in seconds; *memory* in bytes for all decoders; *share* is the bytes that every picture gets at first.
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
        """The processor's name, as soon as the workers have started.

        Raises `SettingsError` if the processor cannot be loaded, and `ProcessingFailed` if the workers do not start.
        """
        return (await self._answered())[0]

    async def cage(self) -> str:
        """What the workers' cage is made of, in words. Raises as `ready` does."""
        return (await self._answered())[1]

    async def escapes(self, outside: Path) -> tuple[str, ...]:
        """The ways out of the cage that are open, in words, tried in a worker; *outside* is a file of the server."""
        async with self._workers.one() as one:
            return await one.call(worker.escapes, os.getpid(), outside, seconds=START)

    async def problem(self) -> str | None:
        """Why no picture can be processed now; `None` if one can.

        If all workers have failed, one is tried: without uploads no other call would notice that they work again.
        """
        if self._workers.problem is not None:
            with suppress(ImgesError, TimeoutError):
                async with asyncio.timeout(TRIAL), self._workers.one() as one:
                    await one.call(worker.about, seconds=TRIAL)
        return self._workers.problem

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
        """End the workers; what they are doing is lost."""
        self._about.cancel()  # it would wait for workers that were ended while they started
        closing = asyncio.create_task(self._workers.close())  # at once: what the first question does then is no death
        await asyncio.gather(self._about, return_exceptions=True)
        await closing

    async def take(
        self, file: Given, limits: Limits, recipe: Recipe, folder: Path, *, client: str | None = None
    ) -> Renditions:
        """`inspect` and `render` in one.

        One call of a worker serves nearly all pictures: one that fits into *share* need not be admitted again.
        If nothing has to be taken off, the original is *file* itself. *client* is the address that has sent it.
        Raises what both raise, and `TooLargeImage` if the header is beyond *limits*.
        """
        async with self._slots.held(self._share, file.size, client), self._workers.one() as one:
            job = partial(at_once, one, file, limits, recipe, folder, memory=self._share)
            header, made = await one.run(job, seconds=self._timeout)
        return made or await self._rendered(replace(file, content=None), header, recipe, folder, client)

    async def inspect(self, file: Path, allowed: frozenset[str]) -> Header:
        """What the header of *file* says.

        Raises `NotAnImage`, `FormatRefused` if its format is not in *allowed*, `ProcessingFailed` if the worker dies,
        and `SpoolUnavailable`.
        """
        async with self._slots.held(min(INSPECTION, self._memory)), self._workers.one() as one:
            return await one.run(partial(inspected, one, file, allowed), seconds=self._timeout)

    async def render(self, file: Path, header: Header, recipe: Recipe, folder: Path) -> Renditions:
        """All files of *recipe* in *folder*, made from *file* whose *header* `inspect` returned.

        An animation has no medium if moving it would cost too much, or did. Raises `NotAnImage` if the file is damaged,
        `TooLargeImage`, `ProcessingFailed`, `DiskReserve` and `SpoolUnavailable`.
        """
        return await self._rendered(Given(file, header.file_size), header, recipe, folder)

    async def _rendered(
        self, file: Given, header: Header, recipe: Recipe, folder: Path, client: str | None = None
    ) -> Renditions:
        recipe = await self._affordable(header, recipe)
        render = partial(self._render, file, header, folder=folder, client=client)
        if not cost.is_animated(header, recipe):
            return await render(recipe, seconds=self._timeout)
        try:
            return await render(recipe, seconds=self._timeout * ANIMATING)
        except (OutOfTime, worker.OutOfMemory):
            return await render(_without_motion(header, recipe), seconds=self._timeout * (1 - ANIMATING))

    async def _affordable(self, header: Header, recipe: Recipe) -> Recipe:
        """*recipe*, without animation if that is estimated to take too long or too much memory."""
        if not cost.is_animated(header, recipe):
            return recipe
        needed = cost.memory(await self.ready(), header, recipe)
        if cost.seconds(header, recipe) > self._timeout / 2 or needed > self._memory:
            return _without_motion(header, recipe)
        return recipe

    async def _render(
        self, file: Given, header: Header, recipe: Recipe, folder: Path, *, client: str | None, seconds: float
    ) -> Renditions:
        memory = cost.memory(await self.ready(), header, recipe)
        async with self._slots.held(memory, header.file_size, client), self._workers.one() as one:
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
        found, made = one.ask(worker.take, replace(file, path=given, content=None), limits, recipe, one.work, memory)
        header = checked_header(found)
        return header, made and taken_out(made, file, one, folder)


def inspected(one: Worker, file: Path, allowed: frozenset[str]) -> Header:
    with handed_in(file, one) as given:
        return checked_header(one.ask(worker.inspect, given, allowed))


def rendered(one: Worker, file: Given, header: Header, recipe: Recipe, folder: Path, *, memory: int) -> Renditions:
    with handed_in(file.path, one) as given:
        made = one.ask(worker.render, replace(file, path=given), header, recipe, one.work, memory)
        return taken_out(made, file, one, folder)


@contextmanager
def handed_in(file: Path, one: Worker) -> Generator[Path]:
    """A name of *file* that the worker can read; the worker's folder is emptied afterwards.

    Raises `SpoolUnavailable` and `DiskReserve`.
    """
    one.ready()
    given = one.given
    try:
        link(file, given)
        yield given
    finally:
        one.tidy()


def link(file: Path, path: Path) -> None:
    """Make *path* a second name of *file*.

    It is a copy if the file system allows no second name, or if the kernel cannot keep a worker that may read the file
    from cutting it off.
    """
    with worker.system_errors():
        try:
            if cage.keeps_read_only():
                os.link(file, path)
            else:
                shutil.copyfile(file, path)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK}:
                raise
            shutil.copyfile(file, path)


def taken_out(made: Renditions, file: Given, one: Worker, folder: Path) -> Renditions:
    """Copy the files of *made* to *folder*, out of the reach of the worker that had *file*.

    The worker's word is not trusted: a picture may have taken its decoder over. A link would lead the server to its own
    secrets, so only plain files with one name are taken. They are copied, because the worker may still have its own
    open; sizes and digests are those of the copies.
    Raises `ProcessingFailed` if a file is not a plain one of the size that the worker reported, or the worker reports
    what no honest worker does; `SpoolUnavailable` and `DiskReserve`.
    """
    with honest():
        if file.ours and made.original.path == one.given and made.original.size == file.size:
            original = measured(made.original, file.path)
        else:
            original = copied(made.original, one.work, folder)
        return Renditions(
            original,
            copied(made.thumb, one.work, folder),
            None if made.medium is None else copied(made.medium, one.work, folder),
            number(made.frames, 1),
            None if made.exif is None else {str(tag): str(value) for tag, value in made.exif.items()},
            in_order(map(str, made.removed)),
        )


def _without_motion(header: Header, recipe: Recipe) -> Recipe:
    """*recipe* without a medium for an animation. Raises `TooLargeImage` if the original would have to be resized."""
    if recipe.width is not None and recipe.width < header.displayed[0]:
        raise TooLargeImage("this animation is too large to be resized; send it without `width`")
    return replace(recipe, animate=False)
