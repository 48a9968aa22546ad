"""Several processes that serve on one machine (`server.workers`), and the parent that supervises them.

The parent answers no requests. It keeps the lock of the data folder and the listening sockets, which all processes
accept from. It replaces a process that dies, and keeps what the processes share (`imges.processes`).

Processes are spawned, never forked: libvips and the threads of a running program do not survive a fork. They ignore
signals, which a terminal or systemd sends to all of them at once, and stop when the parent says so or dies.
"""

import asyncio
import logging
import multiprocessing
import shutil
import signal
import socket
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import click
from aiohttp import web

from imges import cpus, metrics
from imges import log as logs
from imges.access.access import Access
from imges.access.hits import LocalHits
from imges.app import Member, create_app, decoders, decoders_memory
from imges.cli.errors import reporting_errors
from imges.cli.reload import on_hangup, reload, reload_app
from imges.cli.serve_process import Stop, log_decoders, run, tell_key, watched
from imges.cli.systemd import notify
from imges.durable import make_folders
from imges.imaging import workers
from imges.imaging.slots import Slots
from imges.processes.hub import Hub
from imges.processes.link import Link
from imges.processes.lock import DataLock, PassedLock
from imges.settings import Settings
from imges.web.connection.sockets import Bound

log = logging.getLogger(__name__)

END = 28.0
"""Seconds from the first signal until processes that still run are killed. Their own limits are shorter."""

SETTLED = 10.0
"""A process that dies after so many seconds is replaced at once. One that dies sooner is replaced after a delay."""

LATEST = 30.0
"""The longest delay, in seconds."""


async def supervise(settings: Settings, lock: DataLock, listening: Bound, path: Path | None) -> int:
    """Serves with `server.workers` processes until SIGTERM or SIGINT, and returns the exit status.

    *path* is the settings file, if `--settings` named one.
    """
    counted = settings.data_dir / "metrics"
    metrics.clear(counted)
    make_folders(counted, 0o700)
    metrics.share(counted)
    shutil.rmtree(settings.data_dir / "spool", ignore_errors=True)
    hub = Hub(Slots(decoders(settings), decoders_memory(settings)), LocalHits(time.monotonic))
    stop = Stop.by_signals()
    on_hangup(partial(_reload, settings, path, hub))
    children = [_Child(number, settings, lock, listening, hub) for number in range(settings.server.workers)]
    try:
        async with watched(stop):
            return await _supervise(children, listening, stop, hub)
    finally:
        for child in children:
            child.kill()


def _reload(settings: Settings, path: Path | None, hub: Hub) -> None:
    """Reloads the settings in all processes, and in this one for processes that will be started."""
    reload(None, settings, path)
    hub.tell("reload", path and str(path))


async def _supervise(children: list["_Child"], listening: Bound, stop: Stop, hub: Hub) -> int:
    """Starts the first process alone: it may have to make the catalog, and a problem is then reported once."""
    keeping = [asyncio.create_task(children[0].keep(stop, must_start=True))]
    await asyncio.wait([asyncio.create_task(children[0].serves.wait()), *keeping], return_when=asyncio.FIRST_COMPLETED)
    if not children[0].serves.is_set():
        return await keeping[0]
    keeping += [asyncio.create_task(child.keep(stop)) for child in children[1:]]
    telling = asyncio.create_task(_tell_start(children, listening.address))
    await stop.first.wait()
    telling.cancel()
    listening.close()  # otherwise clients could connect though no process accepts any more
    hub.tell("stop", stop.is_patient)
    hurrying = asyncio.create_task(_hurry(stop, hub))
    _, late = await asyncio.wait(keeping, timeout=END)
    hurrying.cancel()
    return 1 if late else 0


async def _tell_start(children: list["_Child"], address: str) -> None:
    for child in children:
        await child.serves.wait()
    click.echo(f"imges serves on {address}, with {len(children)} processes")
    log_decoders(children[0].settings)
    tell_key(children[0].settings, address, None)
    notify("READY=1", f"STATUS=serves on {address}")


async def _hurry(stop: Stop, hub: Hub) -> None:
    await stop.second.wait()
    hub.tell("stop", stop.is_patient)


class _Child:
    """The process of one *number*, and those that replace it when it dies."""

    def __init__(self, number: int, settings: Settings, lock: DataLock, listening: Bound, hub: Hub) -> None:
        self.serves = asyncio.Event()
        self._number = number
        self.settings = settings
        self._lock = lock
        self._listening = listening
        self._hub = hub
        self._lease: str | None = None
        self._process: BaseProcess | None = None

    async def keep(self, stop: Stop, *, must_start: bool = False) -> int:
        """Runs the process, and a new one when it dies, until *stop*. Returns the exit status of the last one.

        *must_start*: if the process dies before it serves, it is not tried again.
        """
        delay = 0.0
        while True:
            began = time.monotonic()
            try:
                status = await self._run()
            except OSError:
                log.exception("process %d of imges cannot be started", self._number)
                status = 1
            if stop.first.is_set() or (must_start and not self.serves.is_set()):
                return status
            delay = 0.0 if time.monotonic() - began > SETTLED else min(LATEST, delay * 2 or 1.0)
            log.error("process %d of imges ended with %d; another takes its place in %g s", self._number, status, delay)
            if await _heard_within(delay, stop.first):
                return status

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def _run(self) -> int:
        """Starts the process and waits for its end. Returns the exit status, negative for a signal."""
        ours, theirs = socket.socketpair()
        former = [self._lease] if self._lease else self._lock.former_leases if self._number == 0 else []
        process = multiprocessing.get_context("spawn").Process(
            target=serve_as_child,
            args=(self.settings, self._number, self._lock.passed(former), self._listening.sockets, theirs),
        )
        attending = asyncio.create_task(self._hub.attend(ours, self._heard))
        with theirs:
            process.start()
        self._process = process
        await _ended(process.sentinel)
        process.join()
        self._process = None
        await attending
        if process.pid is not None:
            metrics.forget_process(process.pid)
        return process.exitcode or 0

    def _heard(self, name: str, *arguments: Any) -> None:
        match name, arguments:
            case "lease", [str(lease)]:
                self._lock.note(lease, instead_of=self._lease)
                self._lease = lease
            case "serves", [new_key_file]:
                if new_key_file is not None:
                    click.echo(f"the API key was made and is in {new_key_file}")
                self.serves.set()
            case _:
                raise ValueError(name)


async def _heard_within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def _ended(sentinel: int) -> None:
    """Waits for the end of a process: its *sentinel* can be read then."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(sentinel)


# In the process that serves


def _reload_child(app: web.Application, path: str | None) -> None:
    reload_app(app, Path(path) if path else None)


def serve_as_child(
    settings: Settings, number: int, lock: PassedLock, sockets: Sequence[socket.socket], connection: socket.socket
) -> None:
    """Serves until the parent says to stop, or dies."""
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    logs.configure(settings.log.level, settings.log.format)
    workers.start_forkserver()
    cpus.keep_to_one(number)
    with reporting_errors():
        asyncio.run(_serve(settings, number, lock, sockets, connection))


async def _serve(
    settings: Settings, number: int, lock: PassedLock, sockets: Sequence[socket.socket], connection: socket.socket
) -> None:
    stop = Stop()
    new_key_file: list[str] = []

    def started(access: Access) -> None:
        new_key_file.extend([str(access.new_key_file)] if access.new_key_file else [])

    async with Link.open(connection) as link:
        _stop_as_the_parent_says(stop, link)
        lock.report_to(link.tell)
        app = create_app(settings, lock, started, Member(link, number))
        link.on("reload", partial(_reload_child, app))
        await run(
            app,
            sockets,
            stop,
            settings.server.drain,
            serving=lambda: link.tell("serves", *(new_key_file or [None])),
            shared=True,
        )


def _stop_as_the_parent_says(stop: Stop, link: Link) -> None:
    """Stops if the parent says so, and at once if the parent is gone."""

    def stopping(patient: bool) -> None:  # noqa: FBT001 (the notice's argument)
        stop.say(patient=patient)

    def orphaned() -> None:
        stop.say(patient=False)
        stop.say(patient=False)

    link.on("stop", stopping)
    link.on("orphaned", orphaned)
