"""One process that serves: from the start of its application to the last request that it finishes."""

import asyncio
import logging
import shlex
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from socket import socket

import click
from aiohttp import web

from imges.app import decoders, decoders_memory
from imges.bytesize import size_formatted
from imges.cli import systemd
from imges.processes import machine
from imges.settings import Settings
from imges.web.connection.drain import drain
from imges.web.connection.server import listening

log = logging.getLogger(__name__)


@dataclass
class Stop:
    """Whether the process was asked to stop (*first*), and whether it was asked again, to stop at once (*second*)."""

    first: asyncio.Event = field(default_factory=asyncio.Event)
    second: asyncio.Event = field(default_factory=asyncio.Event)
    is_patient: bool = True
    """Whether the first was SIGTERM. Then the server goes on accepting for a while, until the proxy has noticed.

    After Ctrl+C there is no proxy to wait for.
    """

    def say(self, *, patient: bool) -> None:
        """Asks the process to stop; the second call asks it to stop at once."""
        if self.first.is_set():
            self.second.set()
        else:
            self.is_patient = patient
            self.first.set()

    @classmethod
    def by_signals(cls) -> "Stop":
        """Returns one that SIGTERM and SIGINT set."""
        stop, loop = cls(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: stop.say(patient=True))
        loop.add_signal_handler(signal.SIGINT, lambda: stop.say(patient=False))
        return stop


@asynccontextmanager
async def watched(stop: Stop) -> AsyncGenerator[None]:
    """During the block, reports to systemd that the process is alive, and when it begins to *stop*."""

    async def tell_stop() -> None:
        await stop.first.wait()
        systemd.notify("STOPPING=1")

    tasks = [asyncio.create_task(each) for each in (systemd.keep_watchdog_quiet(), tell_stop())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


def log_decoders(settings: Settings) -> None:
    """Logs how many pictures are decoded at once, and the memory for them, as the machine or the settings have it."""
    there = machine.memory()
    log.info(
        "decoders: %d processes and %s of memory together%s; see images.workers and images.memory",
        decoders(settings), size_formatted(decoders_memory(settings)),
        f", of {size_formatted(there)}" if there else "",
    )  # fmt: skip


def tell_key(settings: Settings, address: str, made: Path | None) -> None:
    """Prints where the guests' key is if it was just *made*; on a terminal each time, and how to upload with it.

    The key itself is never printed.
    """
    if settings.api.key is not None:
        return
    file = made or settings.data_dir / "api.key"
    if made is not None:
        click.echo(f"the API key was made and is in {file}")
    if sys.stdout.isatty():
        if made is None:
            click.echo(f"the API key is in {file}")
        base = settings.server.public_url or address
        if base.startswith("http"):
            base = base.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
            key = f'"X-API-Key: $(cat {shlex.quote(str(file))})"'
            click.echo(f"try it: curl -F source=@screenshot.png -H {key} '{base}/api/1/upload?format=txt'")


async def run(
    app: web.Application,
    sockets: Iterable[socket],
    stop: Stop,
    grace: timedelta,
    *,
    serving: Callable[[], None],
    shared: bool = False,
) -> None:
    """Serves *app* on *sockets* until *stop*. Calls *serving* when it accepts connections.

    *shared*: other processes accept from the same sockets. *grace*: how long a patient stop goes on accepting.
    """
    runner = web.AppRunner(app, shutdown_timeout=1)
    try:
        await runner.setup()
        async with listening(runner, sockets, shared=shared) as servers:
            serving()
            await stop.first.wait()
            await drain(runner, servers, grace=grace.total_seconds() if stop.is_patient else 0, hurry=stop.second)
    finally:
        await runner.cleanup()
