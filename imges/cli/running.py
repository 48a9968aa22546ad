"""One process that serves: from its open application to the last request that it finishes."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from socket import socket

from aiohttp import web

from imges.cli import systemd
from imges.web.drain import drain
from imges.web.listen import Site


@dataclass
class Stop:
    """What was said of stopping: *first* to stop, *second* to stop at once."""

    first: asyncio.Event = field(default_factory=asyncio.Event)
    second: asyncio.Event = field(default_factory=asyncio.Event)
    is_patient: bool = True
    """Whether the first was SIGTERM; whoever presses Ctrl+C has no proxy that wants to be told before."""

    def say(self, *, patient: bool) -> None:
        if self.first.is_set():
            self.second.set()
        else:
            self.is_patient = patient
            self.first.set()

    @classmethod
    def by_signals(cls) -> "Stop":
        """One that SIGTERM and SIGINT speak to."""
        stop, loop = cls(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: stop.say(patient=True))
        loop.add_signal_handler(signal.SIGINT, lambda: stop.say(patient=False))
        return stop


@asynccontextmanager
async def watched(stop: Stop) -> AsyncGenerator[None]:
    """In the block, systemd hears that we are alive, and when we begin to *stop*."""

    async def tell_stop() -> None:
        await stop.first.wait()
        systemd.notify("STOPPING=1")

    tasks = [asyncio.create_task(each) for each in (systemd.keep_watchdog_quiet(), tell_stop())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def run(
    app: web.Application,
    sockets: Iterable[socket],
    stop: Stop,
    grace: timedelta,
    *,
    serving: Callable[[], None],
    shared: bool = False,
) -> None:
    """Serve *app* on *sockets*, which others accept from as well if *shared*, until *stop*; *serving* hears when.

    *grace* is how long a patient stop goes on accepting.
    """
    runner = web.AppRunner(app, shutdown_timeout=1)
    try:
        await runner.setup()
        for each in sockets:
            await Site(runner, each, shared=shared).start()
        serving()
        await stop.first.wait()
        await drain(runner, grace=grace.total_seconds() if stop.is_patient else 0, hurry=stop.second)
    finally:
        await runner.cleanup()
