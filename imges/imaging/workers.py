"""The pool of worker processes: one that dies or takes too long costs its own call, and is replaced."""

import asyncio
import logging
import multiprocessing
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

from imges.errors import ImgesError, ProcessingFailed
from imges.imaging import worker

log = logging.getLogger(__name__)

T = TypeVar("T")
PRELOADED = ["imges.imaging.render", "imges.imaging.worker"]
"""What all workers share. Not libvips: a process forked from one that has it started hangs."""


class OutOfTime(ProcessingFailed):
    """A call took longer than it may."""

    def __init__(self) -> None:
        super().__init__("the image took too long to process")


class Workers:
    """*count* processes with *processor*. Nothing of a picture's size goes through the pipes: paths only."""

    def __init__(self, processor: str, count: int) -> None:
        self._processor = processor
        self._count = count
        self._pool: ProcessPool | None = None
        self._starting = asyncio.Lock()

    async def call(self, function: Callable[..., T], *arguments: object, seconds: float) -> T:
        """What *function* of `imges.imaging.worker` answers.

        Raises: OutOfTime after *seconds*, ProcessingFailed when the process dies, and whatever *function* raises
        of our own errors. The process is killed when the time is over or the caller is cancelled.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._call(function, arguments)
        except TimeoutError as error:
            raise OutOfTime from error
        except ProcessExpired as error:
            log.warning("a worker died in %s with exit code %s", function.__name__, error.exitcode)
            raise ProcessingFailed from error
        except ImgesError:
            raise
        except Exception as error:
            log.exception("%s failed", function.__name__)
            raise ProcessingFailed from error

    async def _call(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        for _ in range(2):
            pool = await self._running()
            try:
                return await asyncio.wrap_future(pool.schedule(function, args=arguments))
            except BrokenProcessPool:
                await self._discard(pool)
        raise ProcessingFailed

    async def _running(self) -> ProcessPool:
        """The pool, started anew when it broke: it does when a worker dies that had nothing to do."""
        async with self._starting:
            if self._pool is None:
                self._pool = await asyncio.to_thread(self._start)
            return self._pool

    def _start(self) -> ProcessPool:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        pool = ProcessPool(self._count, initializer=worker.start, initargs=[self._processor], context=context)
        assert pool.active  # asking is what starts it
        return pool

    async def _discard(self, pool: ProcessPool) -> None:
        async with self._starting:
            if self._pool is pool:
                self._pool = None
                await asyncio.to_thread(stop, pool)

    async def close(self) -> None:
        """End all processes; what they were doing is lost."""
        if self._pool is not None:
            await self._discard(self._pool)


def stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()
