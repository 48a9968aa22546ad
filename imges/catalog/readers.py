"""Reads wait in one line for the first thread that is free, so that a slow read delays no other while threads are left.

A thread that has done a read takes the next from the line itself. If the event loop handed each read over, eight reads
at once would take a third more CPU.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from imges.catalog.connection_thread import ConnectionThread

T = TypeVar("T")


@dataclass(slots=True)
class _Read:
    """*work*, and the future of the caller who waits for its *answer*."""

    work: Callable[[ConnectionThread], Any]
    answer: asyncio.Future[Any]


@dataclass(slots=True)
class Readers:
    """Runs each work in one of the threads that are in *idle*."""

    idle: list[ConnectionThread] = field(default_factory=list[ConnectionThread])
    _line: deque[_Read] = field(default_factory=deque[_Read])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def run(self, work: Callable[[ConnectionThread], T]) -> T:
        """Return the result of *work*. If the caller is cancelled, a work that has not begun is left out."""
        read = _Read(work, asyncio.get_running_loop().create_future())
        with self._lock:
            thread = self.idle.pop() if self.idle else None
            if thread is None:
                self._line.append(read)
        if thread is not None:
            thread.hand_over(partial(self._work, thread, read))
        return await read.answer

    # In the threads

    def _work(self, thread: ConnectionThread, read: _Read | None) -> None:
        while read is not None:
            if not read.answer.done():  # else nobody waits any more
                _do(thread, read)
            read = self._next(thread)

    def _next(self, thread: ConnectionThread) -> _Read | None:
        with self._lock:
            if self._line:
                return self._line.popleft()
            self.idle.append(thread)
            return None


def _do(thread: ConnectionThread, read: _Read) -> None:
    try:
        tell = partial(_set_result, read.answer, read.work(thread))
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
        tell = partial(_set_error, read.answer, error)
    read.answer.get_loop().call_soon_threadsafe(tell)


def _set_result(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _set_error(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
