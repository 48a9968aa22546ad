"""Good uploads while 1,000 connections are slow in all ways: `make slow`.

By `python -m tests.crash.slow [CONNECTIONS]`. A third sends headers byte by byte, a third its body, a third nothing.
All come from this machine: as a trusted proxy it has no limit per address.
"""

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from tests import drawn
from tests.served import Served, multipart, serving

WITHIN = 1.0
"""Seconds within which 99 of 100 good uploads must be answered."""
UPLOADERS = 2
HEADERS = b"POST /api/1/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n" + multipart(b"")[:-10]
STARTS = (HEADERS, HEADERS + BODY, b"")
PIECE = (b"x", b"x", b"")
PAUSE = 1.0


@dataclass
class Measured:
    connections: int = 0
    """Slow connections that were open all the time, at least."""
    seconds: list[float] = field(default_factory=list[float])
    """Seconds of each good upload."""

    @property
    def p99(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.99) - 1]


class Slow:
    """One connection, opened again as soon as it is closed."""

    def __init__(self, port: int, kind: int) -> None:
        self.open = False
        self._port = port
        self._kind = kind

    async def go_on(self) -> None:
        while True:
            try:
                await self._once()
            except OSError:
                pass
            finally:
                self.open = False

    async def _once(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            self.open = True
            writer.write(STARTS[self._kind])
            while not reader.at_eof():
                writer.write(PIECE[self._kind])
                await writer.drain()
                try:
                    async with asyncio.timeout(PAUSE):
                        await reader.read(1000)
                except TimeoutError:
                    continue
        finally:
            writer.transport.abort()


@asynccontextmanager
async def slow_clients(port: int, count: int) -> AsyncGenerator[list[Slow]]:
    """Opens so many of them."""
    clients = [Slow(port, number % len(STARTS)) for number in range(count)]
    running: list[asyncio.Task[None]] = []
    try:
        for client in clients:
            running.append(asyncio.create_task(client.go_on()))
            await asyncio.sleep(0.002)
        async with asyncio.timeout(30):
            while not all(client.open for client in clients):
                await asyncio.sleep(0.1)
        yield clients
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def measure(served: Served, count: int, seconds: float) -> Measured:
    """Raises `AssertionError` if a good upload is refused."""
    picture = drawn.jpeg()
    measured = Measured(count)

    async def uploader(end: float) -> None:
        while (began := time.monotonic()) < end:
            await asyncio.to_thread(served.upload, picture, "good.jpg")
            measured.seconds.append(time.monotonic() - began)

    async with slow_clients(served.port, count) as clients, asyncio.TaskGroup() as tasks:
        end = time.monotonic() + seconds
        for _ in range(UPLOADERS):
            tasks.create_task(uploader(end))
        while time.monotonic() < end:
            measured.connections = min(measured.connections, sum(client.open for client in clients))
            await asyncio.sleep(0.2)
    return measured


def with_a_server(count: int, seconds: float, folder: Path) -> Measured:
    with serving(folder) as served:
        served.upload(drawn.jpeg())
        return asyncio.run(measure(served, count, seconds))


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server inherits it
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        found = with_a_server(wanted, 40, Path(name))
    click.echo(
        f"{wanted} slow connections, {found.connections} or more at any time; {len(found.seconds)} good uploads of "
        f"640 x 480 by {UPLOADERS} clients: p50 {sorted(found.seconds)[len(found.seconds) // 2]:.3f} s, "
        f"p99 {found.p99:.3f} s, longest {max(found.seconds):.3f} s"
    )
    sys.exit(found.p99 > WITHIN)
