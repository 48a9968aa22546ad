"""The pool of worker processes: one that dies or takes too long costs its own call, and is replaced."""

import asyncio
import logging
import multiprocessing
from collections.abc import Callable
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from imges import metrics
from imges.errors import Busy, ImgesError, ProcessingFailed
from imges.imaging import worker

log = logging.getLogger(__name__)

T = TypeVar("T")
PRELOADED = ["imges.imaging.render", "imges.imaging.worker"]
"""What all workers share. Not libvips: a process forked from one that has it started hangs."""
KILLING = 2.0
"""Seconds in which a process must be gone that was told to end; it takes a tenth of one."""


class OutOfTime(ProcessingFailed):
    """A call took longer than it may."""

    def __init__(self) -> None:
        super().__init__("the image took too long to process")


class Workers:
    """*count* processes with *processor*. Nothing of a picture's size goes through the pipes: paths only."""

    def __init__(self, processor: str, count: int) -> None:
        self._processor = processor
        self._count = count
        self._pool: asyncio.Task[ProcessPool] | None = None
        self._calls: set[ProcessFuture[Any]] = set()
        self._closed = False

    async def call(self, function: Callable[..., T], *arguments: object, seconds: float) -> T:
        """What *function* of `imges.imaging.worker` answers.

        Raises: OutOfTime after *seconds*, ProcessingFailed when the process dies, Busy when all are being ended, and
        whatever *function* raises of our own errors. The process is killed when the time is over or the caller is
        cancelled, and this returns when it is gone.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._call(function, arguments)
        except TimeoutError as error:
            metrics.decoder_died("timeout")
            raise OutOfTime from error
        except ProcessExpired as error:
            metrics.decoder_died("crash")
            log.warning("a worker died in %s with exit code %s", function.__name__, error.exitcode)
            raise ProcessingFailed from error
        except ImgesError:
            raise
        except Exception as error:
            log.exception("%s failed", function.__name__)
            raise ProcessingFailed from error

    async def _call(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        for _ in range(2):
            pool = self._running()
            try:
                return await self._answer(scheduled(await asyncio.shield(pool), function, arguments))
            except BrokenProcessPool:
                await self._discard(pool)
        raise ProcessingFailed

    async def _answer(self, future: ProcessFuture[T]) -> T:
        self._calls.add(future)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            await asyncio.to_thread(wait, [future], KILLING)  # until then its memory is not free
            raise
        finally:
            self._calls.discard(future)

    def _running(self) -> asyncio.Task[ProcessPool]:
        """The pool, started anew when it broke: it does when a worker dies that had nothing to do."""
        if self._closed:
            raise Busy
        if self._pool is None:
            self._pool = asyncio.create_task(self._started())
        return self._pool

    async def _started(self) -> ProcessPool:
        try:
            return await asyncio.to_thread(self._start)
        except BaseException:
            self._pool = None
            raise

    def _start(self) -> ProcessPool:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        pool = ProcessPool(self._count, initializer=worker.start, initargs=[self._processor], context=context)
        assert pool.active  # asking is what starts it
        return pool

    async def _discard(self, pool: asyncio.Task[ProcessPool]) -> None:
        """End the processes of *pool*. It forgets what it was asked; the callers hear of it from us."""
        if self._pool is not pool:
            return
        calls, self._calls, self._pool = self._calls, set[ProcessFuture[Any]](), None
        await asyncio.to_thread(stop, await pool)
        for call in calls:
            if not call.done():
                call.set_exception(BrokenProcessPool())

    async def close(self) -> None:
        """End all processes; what they were doing is lost."""
        self._closed = True
        if self._pool is not None:
            await self._discard(self._pool)


def scheduled(pool: ProcessPool, function: Callable[..., T], arguments: tuple[object, ...]) -> ProcessFuture[T]:
    """Raises: BrokenProcessPool, also for a pool that broke before."""
    try:
        return pool.schedule(function, args=arguments)
    except RuntimeError as error:
        raise BrokenProcessPool from error


def stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()
