"""Worker processes. A worker that dies or takes too long costs one call, and is replaced.

Each worker has a thread in the server that waits for it. Handing a file in, the call, and taking out what was made are
one job of that thread, so that a picture costs a single change of threads. (Pebble's pools, which did this before, take
three threads and ten times the CPU for a call.)
"""

import asyncio
import logging
import multiprocessing
import os
import pickle
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from imges import cpus, metrics
from imges.durable import make_folders
from imges.errors import (
    Busy,
    DiskReserve,
    FormatRefused,
    ImgesError,
    NotAnImage,
    ProcessingFailed,
    SettingsError,
    SpoolUnavailable,
    TooLargeImage,
)
from imges.imaging import pipe, worker

log = logging.getLogger(__name__)

T = TypeVar("T")
PRELOADED = ["imges.imaging.render", "imges.imaging.worker"]
"""Modules that all workers share. Not libvips: a process that is forked after libvips has started hangs."""
KILLING = 2.0
"""Seconds in which a killed process must be gone; it takes a tenth of a second."""
LONGEST = 2**20
"""Most bytes of an answer. An honest one has some hundreds; a longer one would fill the server's memory."""
LOOK_EVERY = 0.25
"""Seconds between two looks at how much a worker has written."""
FILES = 3
"""Files of the largest size that a worker may write together: an original, a medium and a thumb."""
MOST_NAMES = 16
"""Files that a worker's folder may have at once; an honest worker makes four."""
LARGEST_FILE = 512 * 2**20
"""Most bytes of a file that a worker writes, unless the settings say less: it must not fill the disk."""
RAISED = (DiskReserve, FormatRefused, NotAnImage, ProcessingFailed, SettingsError, SpoolUnavailable, TooLargeImage)
"""The errors of ours that a worker may raise. Its texts come from a process that a picture may have taken over."""


def start_forkserver() -> ForkServerContext:
    """Start the process that all workers are forked from, on the CPUs that we may use now, unless it runs already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    forkserver.ensure_running()
    return context


class OutOfTime(ProcessingFailed):
    """Raised if a call takes longer than it may."""

    out_of_time = True

    def __init__(self) -> None:
        super().__init__("the image took too long to process")


class Died(ProcessingFailed):
    """Raised if the process ends during a call."""


class NotBegun(Exception):
    """Raised if the process has ended before it began a call. No picture is to blame."""


class Workers:
    """So many processes (*count*) with *processor*, each locked into folders of its own below *spool*.

    A process may write files of *most* bytes. Only paths go through the pipes.
    """

    def __init__(self, processor: str, count: int, spool: Path, most: int = LARGEST_FILE) -> None:
        self._workers = [Worker(processor, spool, most) for _ in range(count)]
        self._free: asyncio.Queue[Worker] = asyncio.Queue()
        for one in self._workers:
            self._free.put_nowait(one)

    @asynccontextmanager
    async def one(self) -> AsyncGenerator["Worker"]:
        """A worker that no other request has during the block. Its folder is emptied afterwards."""
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
        """Start all workers now, not only when each is first needed. Raises `SpoolUnavailable`."""
        await asyncio.gather(*(worker.folder() for worker in self._workers))

    @property
    def problem(self) -> str | None:
        """Why no picture can be processed; `None` if there is a worker whose process has not failed at once."""
        broken = all(worker.fails_at_once for worker in self._workers)
        return "the processes that decode pictures end before they answer" if broken else None

    async def close(self) -> None:
        """End all processes; what they were doing is lost."""
        await asyncio.gather(*(worker.close() for worker in self._workers))


class Worker:
    """One process, which is started anew whenever it has ended."""

    def __init__(self, processor: str, spool: Path, most: int = LARGEST_FILE) -> None:
        self._processor = processor
        self._spool = spool
        self._most = most
        self._thread = ThreadPoolExecutor(1, "worker")
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._folder: Path | None = None
        """The folder of this process alone: `given` and `work` are in it. The next process gets another."""
        self._calls = 0
        self._begun = multiprocessing.RawValue("Q", 0)
        """The number of the call that the process began last. If it dies idle, no picture is to blame."""
        self._closed = False
        self._killed: BaseProcess | None = None
        """The process that we have killed ourselves: its end is nothing to report."""
        self._given_up: Event | None = None
        """Whether the caller of the present job has given up. Then no process is started for the job."""
        self.is_tidy = True
        """Whether its folder is empty."""
        self.fails_at_once = False
        """Whether the last two processes have ended without an answer to any call."""
        self._unanswered = 0

    async def call(self, function: Callable[..., T], *arguments: object, seconds: float) -> T:
        """What *function* of `imges.imaging.worker` returns. Raises as `run` does."""
        return await self.run(partial(self.ask, function, *arguments), seconds=seconds)

    async def run(self, job: Callable[[], T], *, seconds: float) -> T:
        """The result of *job*, which calls `ask`, in the worker's thread.

        If *seconds* are over or the caller is cancelled, the process is killed, and this returns when it is gone.
        Raises `OutOfTime` after *seconds*; `Died` if the process dies; `Busy` if the worker is being closed, or had not
        even begun after *seconds* (a busy machine started it anew); and the errors of ours that *job* raises.
        """
        if self._closed:
            raise Busy
        before, given_up = self._calls, Event()
        running = asyncio.get_running_loop().run_in_executor(self._thread, partial(self._begun_once, job, given_up))
        running.add_done_callback(_heard)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(running)
        except TimeoutError as error:
            begun = self._begun.value > before
            await self._kill(running, given_up)
            if not begun:
                raise Busy from error
            metrics.decoder_died("timeout")
            raise OutOfTime from error
        except asyncio.CancelledError:
            await self._kill(running, given_up)
            raise
        except Died as error:
            if self._closed:
                raise Busy from error
            metrics.decoder_died("crash")
            raise

    async def _kill(self, running: asyncio.Future[Any], given_up: Event) -> None:
        """Kill the process and wait until its memory is free. If it does not end, another takes its place."""
        given_up.set()
        self._kill_process()
        _, hanging = await asyncio.wait([running], timeout=KILLING)
        if hanging and not self._closed:
            log.error("a worker that was killed has not ended; it is replaced")
            self._thread.shutdown(wait=False)
            self._thread = ThreadPoolExecutor(1, "worker")
            self._process = self._pipe = self._folder = None

    def _kill_process(self) -> None:
        process = self._killed = self._process
        if process is not None:
            process.kill()

    async def folder(self) -> Path:
        """The one folder that the process writes in. The process is started. Raises `SpoolUnavailable`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.ready)

    async def close(self) -> None:
        """End the process; what it is doing is lost."""
        self._closed = True
        self._kill_process()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._thread.shutdown()
        self._end()
        self._remove_folder()

    # In its thread

    def _begun_once(self, job: Callable[[], T], given_up: Event) -> T:
        """The result of *job*, which is tried once more if the process had ended before it began.

        It is not tried again if the caller has *given_up* and killed the process.
        """
        self._given_up = given_up
        try:
            try:
                return job()
            except NotBegun:
                if given_up.is_set():
                    raise
            return job()
        except NotBegun as error:
            raise Died from error
        finally:
            self._given_up = None

    def ask(self, function: Callable[..., T], *arguments: object) -> T:
        """What *function* of `imges.imaging.worker` returns.

        Raises `NotBegun` if the process died before it began the call, and `Died` if it dies during the call. Raises
        `ProcessingFailed` if *function* raises a foreign error, and the errors of ours that it raises.
        """
        self.ready()
        process, pipe = self._process, self._pipe
        assert process is not None
        assert pipe is not None
        self.is_tidy = False
        self._calls += 1
        try:
            answer = self._answer(process, pipe, (self._calls, function, arguments))
        except Exception as error:  # the process has ended, or sent what no honest worker sends
            if process is not self._process:  # it was given up, and another has taken its place
                raise Died from error
            begun = self._begun.value
            self._unanswered += 1
            self.fails_at_once = self._unanswered > 1
            self._end_and_report(process, error, f"in {function.__name__}" if begun == self._calls else "before")
            if begun == self._calls:
                raise Died from error
            raise NotBegun from error
        self._unanswered, self.fails_at_once = 0, False
        return self._result(function.__name__, *answer)

    def _end_and_report(self, process: BaseProcess, error: Exception, when: str) -> None:
        """End the process, and log why, unless we have killed it. *when* is `before` if it had not begun the call."""
        if isinstance(error, EOFError | ConnectionError):  # it is dying, and its exit code will come
            process.join(KILLING)
        code = process.exitcode
        self._end()
        if self._closed or process is self._killed:
            return
        doing = "that had nothing to do," if when == "before" else when
        if code is None:
            log.warning("a worker was ended %s: %s", doing.removesuffix(","), error or type(error).__name__)
        else:
            log.warning("a worker died %s with exit code %s", doing, code)

    def _answer(
        self, process: BaseProcess, answers: Connection, call: tuple[int, Callable[..., object], tuple[object, ...]]
    ) -> tuple[bool, Any]:
        """Whether the call went well, and its result or error. Raises `Exception` if there is no honest answer.

        The process itself is waited for, not its pipe alone: a child of it would keep the pipe open. Four times a
        second this method checks the folder, because the kernel limits the size of a file and not that of all files.
        """
        answers.send_bytes(pickle.dumps(call))
        while not (ready := wait([answers, process.sentinel], LOOK_EVERY)):
            self._check_room()
        if answers not in ready:
            raise EOFError
        return pipe.read(answers.recv_bytes(LONGEST))

    def _check_room(self) -> None:
        """Raises `ValueError` if the files in the worker's folder are too many, or too large together."""
        with suppress(OSError):  # then nothing is known against the worker, and the next look comes soon
            sizes = [file.stat(follow_symlinks=False).st_blocks * 512 for file in os.scandir(self.work)]
            if len(sizes) > MOST_NAMES or sum(sizes) > FILES * self._most:
                raise ValueError("it has written too much")

    @staticmethod
    def _result(called: str, went_well: bool, value: Any) -> Any:  # noqa: FBT001 - as the pipe gives it
        if went_well:
            return value
        if isinstance(value, ImgesError):
            if isinstance(value, RAISED):
                raise value
            raise ProcessingFailed from value
        log.error("%s failed in a worker: %r", called, value)
        raise ProcessingFailed from value

    @property
    def given(self) -> Path:
        """The path of the file that is handed in. The process can read it, and no more."""
        assert self._folder is not None
        return self._folder / "given" / "file"

    @property
    def work(self) -> Path:
        """The folder that the process writes in."""
        assert self._folder is not None
        return self._folder / "work"

    def ready(self) -> Path:
        """The folder that it writes in. The process is started if it is not running.

        Raises `SpoolUnavailable`; `Busy` if closed.
        """
        if self._closed:
            raise Busy
        if self._process is not None and not self._process.is_alive():
            self._end_and_report(self._process, EOFError(), "before")
        elif self._pipe is not None and not self.work.is_dir():
            self._end()  # a clean-up of temporary files has deleted its folder
        if self._pipe is None:
            try:
                self._start(self._new_folder())
            except OSError as error:
                raise SpoolUnavailable from error
        return self.work

    def _new_folder(self) -> Path:
        """Make the folder of a new process. An earlier one that lives on must not reach what this one is given."""
        make_folders(self._spool, 0o700)
        self._folder = Path(tempfile.mkdtemp(prefix="worker-", dir=self._spool.absolute()))
        for name in ("given", "work"):
            (self._folder / name).mkdir(mode=0o700)
        return self._folder

    def _start(self, folder: Path) -> None:
        context = start_forkserver()
        ours, theirs = context.Pipe()
        folders = worker.Folders(folder / "given", folder / "work", self._most)
        arguments = (theirs, self._begun, self._processor, folders, cpus.given())
        process = context.Process(target=worker.serve, args=arguments, daemon=True)
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        if self._closed or (self._given_up is not None and self._given_up.is_set()):
            self._kill_process()  # the caller that gave up has not seen this process

    def _end(self) -> int | None:
        """End the process; returns its exit code, or `None` if it was not running."""
        if self._process is None or self._pipe is None:
            return None
        self._process.kill()
        self._process.join(KILLING)
        self._pipe.close()
        code, self._process, self._pipe = self._process.exitcode, None, None
        self._remove_folder()
        return code

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def tidy(self) -> None:
        """Empty its folders. It blocks, and may run in any thread while no request has the worker."""
        with suppress(OSError):
            for file in (self.given, *self.work.iterdir()) if self._folder else ():
                file.unlink(missing_ok=True)
        self.is_tidy = True


def _heard(running: asyncio.Future[Any]) -> None:
    """Take note of the error of a job that no caller waits for any more: else asyncio would log it."""
    if not running.cancelled():
        running.exception()
