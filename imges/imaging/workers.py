"""Worker processes: one that dies or takes too long costs its own call, and is replaced.

Each has a thread here that waits for it, so that a picture costs a single change of threads: handing it in, the call,
and taking out what was made are one job of that thread. (Pebble's pools, which did this before, take three threads and
ten times the CPU for a call.)
"""

import asyncio
import logging
import multiprocessing
import pickle
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from imges import cpus, metrics
from imges.errors import Busy, ImgesError, ProcessingFailed, SpoolUnavailable
from imges.imaging import pipe, worker

log = logging.getLogger(__name__)

T = TypeVar("T")
PRELOADED = ["imges.imaging.render", "imges.imaging.worker"]
"""What all workers share. Not libvips: a process forked from one that has it started hangs."""
KILLING = 2.0
"""Seconds in which a process must be gone that was told to end; it takes a tenth of one."""
LONGEST = 2**20
"""Bytes of an answer; an honest one has some hundreds."""


def start_forkserver() -> ForkServerContext:
    """Start the process that all workers are forked from, unless it runs, on the CPUs that we may use now."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    forkserver.ensure_running()
    return context


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
        self._free: asyncio.Queue[Worker] = asyncio.Queue()
        for one in self._workers:
            self._free.put_nowait(one)

    @asynccontextmanager
    async def one(self) -> AsyncGenerator["Worker"]:
        """One that nobody else has meanwhile; its folder is emptied afterwards."""
        worker = await self._free.get()
        try:
            yield worker
        finally:
            if worker.is_tidy:
                self._free.put_nowait(worker)
            else:
                await asyncio.shield(self._give_back(worker))

    async def _give_back(self, worker: "Worker") -> None:
        await asyncio.to_thread(worker.tidy)
        self._free.put_nowait(worker)

    async def start(self) -> None:
        """Start all of them, instead of each when it is needed first. Raises: SpoolUnavailable."""
        await asyncio.gather(*(worker.folder() for worker in self._workers))

    async def close(self) -> None:
        """End all processes; what they were doing is lost."""
        await asyncio.gather(*(worker.close() for worker in self._workers))


class Worker:
    """One process, started anew whenever it ended."""

    def __init__(self, processor: str, spool: Path) -> None:
        self._processor = processor
        self._spool = spool
        self._thread = ThreadPoolExecutor(1, "worker")
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._folder: Path | None = None
        self._calls = 0
        self._begun = multiprocessing.RawValue("Q", 0)
        """The number of the call that the process has begun last: one that dies idle costs nobody's picture."""
        self._closed = False
        self.is_tidy = True
        """Whether nothing lies in its folder."""

    async def call(self, function: Callable[..., T], *arguments: object, seconds: float) -> T:
        """What *function* of `imges.imaging.worker` answers. Raises as `run` does."""
        return await self.run(partial(self.ask, function, *arguments), seconds=seconds)

    async def run(self, job: Callable[[], T], *, seconds: float) -> T:
        """The result of *job*, which calls `ask`, in the worker's thread.

        Raises: OutOfTime after *seconds*, Died when the process does, Busy when it is being ended or has not even
        begun (it was started anew, on a machine with much to do), and whatever *job* raises of our own errors. The
        process is killed when the time is over or the caller is cancelled, and this returns when it is gone.
        """
        if self._closed:
            raise Busy
        before = self._calls
        running = asyncio.get_running_loop().run_in_executor(self._thread, job)
        running.add_done_callback(_heard)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(running)
        except TimeoutError as error:
            begun = self._begun.value > before
            await self._kill(running)
            if not begun:
                raise Busy from error
            metrics.decoder_died("timeout")
            raise OutOfTime from error
        except asyncio.CancelledError:
            await self._kill(running)
            raise
        except Died as error:
            if self._closed:
                raise Busy from error
            metrics.decoder_died("crash")
            raise

    async def _kill(self, running: asyncio.Future[Any]) -> None:
        if self._process is not None:
            self._process.kill()
        await asyncio.wait([running], timeout=KILLING)  # until then its memory is not free

    async def folder(self) -> Path:
        """The one place that the process reaches; it is started. Raises: SpoolUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.ready)

    async def close(self) -> None:
        """End the process; what it was doing is lost."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._thread.shutdown()
        self._end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    # In its thread

    def ask(self, function: Callable[..., T], *arguments: object) -> T:
        """What *function* of `imges.imaging.worker` answers. Raises: Died, ProcessingFailed, errors of ours."""
        for _ in range(2):
            self.ready()
            self.is_tidy = False
            self._calls += 1
            try:
                answer = self._answer((self._calls, function, arguments))
            except Exception as error:  # its end, or what no honest worker sends
                begun, code = self._begun.value, self._end()
                if begun == self._calls:
                    log.warning("a worker died in %s with exit code %s", function.__name__, code)
                    raise Died from error
                log.warning("a worker died that had nothing to do, with exit code %s", code)
            else:
                return self._result(function.__name__, *answer)
        raise Died

    def _answer(self, call: tuple[int, Callable[..., object], tuple[object, ...]]) -> tuple[bool, Any]:
        """Whether the call went well, and what it answers. Raises: Exception."""
        assert self._pipe is not None
        self._pipe.send_bytes(pickle.dumps(call))
        return pipe.read(self._pipe.recv_bytes(LONGEST))

    @staticmethod
    def _result(called: str, went_well: bool, value: Any) -> Any:  # noqa: FBT001 - as the worker tells it
        if went_well:
            return value
        if isinstance(value, ImgesError):
            raise value
        log.error("%s failed in a worker: %r", called, value)
        raise ProcessingFailed from value

    def ready(self) -> Path:
        """Its folder, once the process is there: started, or started anew where it died. Raises: SpoolUnavailable."""
        if self._closed:
            raise Busy
        if self._folder is not None and not self._folder.is_dir():  # somebody took it away
            self._end()
            self._folder = None
        if self._folder is None:
            try:
                self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._folder = Path(tempfile.mkdtemp(prefix="worker-", dir=self._spool.absolute()))
            except OSError as error:
                raise SpoolUnavailable from error
        if self._pipe is None:
            self._start(self._folder)
        return self._folder

    def _start(self, folder: Path) -> None:
        context = start_forkserver()
        ours, theirs = context.Pipe()
        arguments = (theirs, self._begun, self._processor, folder, cpus.given())
        process = context.Process(target=worker.serve, args=arguments, daemon=True)
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        if self._closed:  # meanwhile: who closes has not seen this one
            process.kill()

    def _end(self) -> int | None:
        """Its exit code."""
        if self._process is None or self._pipe is None:
            return None
        self._process.kill()
        self._process.join(KILLING)
        self._pipe.close()
        code, self._process, self._pipe = self._process.exitcode, None, None
        return code

    def tidy(self) -> None:
        """Empty its folder. Blocking; in any thread while nobody has the worker."""
        with suppress(OSError):
            for file in self._folder.iterdir() if self._folder else ():
                file.unlink()
        self.is_tidy = True


def _heard(running: asyncio.Future[Any]) -> None:
    """What a job raised in the end whose caller did not wait for it is no news."""
    if not running.cancelled():
        running.exception()
