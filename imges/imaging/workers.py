"""Worker processes: one that dies or takes too long costs its own call, and is replaced."""

import asyncio
import logging
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from imges import metrics
from imges.errors import Busy, ImgesError, ProcessingFailed, SpoolUnavailable
from imges.imaging import worker
from imges.imaging.pipe import WorkersContext

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


class Died(ProcessingFailed):
    """The process ended over a call."""


class Workers:
    """*count* processes with *processor*, each locked into a folder of its own below *spool*.

    Nothing of a picture's size goes through the pipes: paths only.
    """

    def __init__(self, processor: str, count: int, spool: Path) -> None:
        self._workers = [Worker(processor, spool) for _ in range(count)]
        self._free = deque(self._workers)
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def one(self) -> AsyncGenerator["Worker"]:
        """One that nobody else has meanwhile; its folder is emptied afterwards."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._free)
            worker = self._free.popleft()
        try:
            yield worker
        finally:
            await asyncio.shield(self._give_back(worker))

    async def _give_back(self, worker: "Worker") -> None:
        await asyncio.to_thread(worker.tidy)
        async with self._freed:
            self._free.append(worker)
            self._freed.notify()

    async def close(self) -> None:
        """End all processes; what they were doing is lost."""
        await asyncio.gather(*(worker.close() for worker in self._workers))


class Worker:
    """One process, started anew whenever it ended."""

    def __init__(self, processor: str, spool: Path) -> None:
        self._processor = processor
        self._spool = spool
        self._folder: Path | None = None
        self._pool: asyncio.Task[ProcessPool] | None = None
        self._call: ProcessFuture[Any] | None = None
        self._closed = False

    async def call(self, function: Callable[..., T], *arguments: object, seconds: float) -> T:
        """What *function* of `imges.imaging.worker` answers.

        Raises: OutOfTime after *seconds*, Died when the process does, Busy when it is being ended, and whatever
        *function* raises of our own errors. The process is killed when the time is over or the caller is cancelled,
        and this returns when it is gone.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._answered(function, arguments)
        except TimeoutError as error:
            metrics.decoder_died("timeout")
            raise OutOfTime from error
        except ProcessExpired as error:
            metrics.decoder_died("crash")
            log.warning("a worker died in %s with exit code %s", function.__name__, error.exitcode)
            raise Died from error
        except ImgesError:
            raise
        except Exception as error:
            log.exception("%s failed", function.__name__)
            raise ProcessingFailed from error

    async def folder(self) -> Path:
        """The one place that the process reaches. Raises: SpoolUnavailable."""
        await asyncio.shield(self._running())
        assert self._folder is not None
        return self._folder

    async def _answered(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        for _ in range(2):
            pool = self._running()
            try:
                return await self._answer(scheduled(await asyncio.shield(pool), function, arguments))
            except BrokenProcessPool:
                await self._discard(pool)
        raise Died

    async def _answer(self, future: ProcessFuture[T]) -> T:
        self._call = future
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            await asyncio.to_thread(wait, [future], KILLING)  # until then its memory is not free
            raise
        finally:
            self._call = None

    def _running(self) -> asyncio.Task[ProcessPool]:
        """The pool, started anew when it broke: it does when its process dies that had nothing to do."""
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
        try:
            self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="worker-", dir=self._spool.absolute()))
        except OSError as error:
            raise SpoolUnavailable from error
        context = WorkersContext()
        context.set_forkserver_preload(PRELOADED)
        initial = [self._processor, self._folder]
        pool = ProcessPool(1, initializer=worker.start, initargs=initial, context=context)
        assert pool.active  # asking is what starts it
        return pool

    async def _discard(self, pool: asyncio.Task[ProcessPool]) -> None:
        """End the process of *pool*. It forgets what it was asked; the caller hears of it from us."""
        if self._pool is not pool:
            return
        call, self._call, self._pool = self._call, None, None
        await asyncio.to_thread(stop, await pool)
        if call is not None and not call.done():
            call.set_exception(BrokenProcessPool())

    def tidy(self) -> None:
        """Empty its folder. Blocking."""
        with suppress(OSError):
            for file in self._folder.iterdir() if self._folder else ():
                file.unlink()

    async def close(self) -> None:
        """End the process; what it was doing is lost."""
        self._closed = True
        if self._pool is not None:
            await self._discard(self._pool)
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


def scheduled(pool: ProcessPool, function: Callable[..., T], arguments: tuple[object, ...]) -> ProcessFuture[T]:
    """Raises: BrokenProcessPool, also for a pool that broke before."""
    try:
        return pool.schedule(function, args=arguments)
    except RuntimeError as error:
        raise BrokenProcessPool from error


def stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()
