"""Work on storage and catalog that runs to its end although its client may have gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from imges.storage import StorageUnavailable

T = TypeVar("T")

PATIENCE = 8.0
"""Seconds that a client waits for a storage: for all objects of a picture, and for the undo, together."""

SLOWEST = 2**20
"""The slowest rate of a storage, in bytes a second, that a client still waits for; a large picture may take longer."""


class Background:
    """The tasks of a process that no client can cancel."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start *work* as a task; `finish` waits for it at the end of the process."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the caller that waited has raised it

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of *work*, which goes on if the caller is cancelled."""
        return await asyncio.shield(self.start(work))

    async def within_patience(self, work: Coroutine[Any, Any, T], size: int) -> T:
        """Return the result of *work*, which puts or deletes objects of *size* bytes.

        *work* is cancelled if it takes longer than a client may wait, or if the caller is cancelled. It then undoes
        what it did while no client waits.

        Raises `StorageUnavailable` if *work* takes too long, and what *work* raises.
        """
        task = self.start(work)
        try:
            await asyncio.wait([task], timeout=max(PATIENCE, size / SLOWEST))
            if not task.done():
                raise StorageUnavailable
            return task.result()
        finally:
            task.cancel()

    async def finish(self) -> None:
        """Wait for the tasks that still run. A task that takes too long is cancelled; the next sweep finishes it."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=PATIENCE)
            for task in late:
                task.cancel()
