"""Writers that stand in line share a commit: syncing is what a transaction waits for, and once is enough for all.

One that is refused takes nothing of the others along: nearly all are not, so they run one after the other as they are,
and only after a refusal again, each in a savepoint of its own. What the database itself does not do is told to all;
after any other error each gets a transaction to itself.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection

from imges.errors import CatalogUnavailable, ImgesError

T = TypeVar("T")

MOST = 32
"""Writers that share a commit at most."""


@dataclass(slots=True)
class _Turn:
    """One writer: its *work*, when it gives up, and who waits for the *answer*."""

    work: Callable[[Connection], Any]
    deadline: float
    answer: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        if self.answer.done():  # nobody waits any more
            return
        if self.error is None:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(self.error)


@dataclass(slots=True)
class GroupCommit:
    """Runs works in a thread, in the order of their calls.

    *transaction* opens one that is committed at the end of its block, and gives up at the given moment of
    `time.monotonic`; *execute* runs a bare statement.
    """

    transaction: Callable[[float], AbstractContextManager[Connection]]
    execute: Callable[[Connection, str], object]
    _jobs: SimpleQueue[Callable[[], None] | None] = field(default_factory=SimpleQueue[Callable[[], None] | None])
    """What the thread does next; `None`: it ends."""
    _line: list[_Turn] = field(default_factory=list[_Turn])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        # An executor of the library takes longer to hand a job over than the job often does.
        self._thread = threading.Thread(target=self._work, name="catalog-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[Connection], T], deadline: float) -> T:
        """The result of *work*, committed. It may be called more than once; only its last result counts."""
        turn = _Turn(work, deadline, asyncio.get_running_loop().create_future())
        with self._lock:
            self._line.append(turn)
            is_first = len(self._line) == 1
        if is_first:  # else the thread is on its way already
            self._jobs.put(self._take_turns)
        return await turn.answer

    async def alone(self, work: Callable[[], T]) -> T:
        """The result of *work*, while nobody else writes."""
        done = Future[T]()
        self._jobs.put(partial(_do, work, done))
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        """Finish what was begun. Blocking."""
        self._jobs.put(None)
        self._thread.join()

    # In the thread

    def _work(self) -> None:
        while job := self._jobs.get():
            job()

    def _take_turns(self) -> None:
        with self._lock:
            line, self._line = self._line, []
        for start in range(0, len(line), MOST):
            turns = [turn for turn in line[start : start + MOST] if not turn.answer.done()]
            if turns:
                self._commit(turns)
                turns[0].answer.get_loop().call_soon_threadsafe(_tell, turns)

    def _commit(self, turns: list[_Turn]) -> None:
        if len(turns) > 1 and (self._commit_together(turns, _run) or self._commit_together(turns, self._in_savepoint)):
            return
        for turn in turns:
            try:
                with self.transaction(turn.deadline) as connection:
                    _run(turn, connection)
            except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
                turn.error = error

    def _commit_together(self, turns: list[_Turn], run: Callable[[_Turn, Connection], None]) -> bool:
        """False: nothing is committed, and one of them is to blame."""
        try:
            with self.transaction(min(turn.deadline for turn in turns)) as connection:
                for turn in turns:
                    run(turn, connection)
        except CatalogUnavailable as error:
            for turn in turns:
                turn.error = error
        except Exception:  # noqa: BLE001 - it comes again when its work runs alone
            return False
        return True

    def _in_savepoint(self, turn: _Turn, connection: Connection) -> None:
        self.execute(connection, "SAVEPOINT turn")
        try:
            _run(turn, connection)
        except ImgesError as error:
            turn.error = error
            self.execute(connection, "ROLLBACK TO turn")
        self.execute(connection, "RELEASE turn")


def _run(turn: _Turn, connection: Connection) -> None:
    turn.error = None
    turn.result = turn.work(connection)


def _do(work: Callable[[], T], done: Future[T]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
        done.set_exception(error)
    else:
        done.set_result(result)


def _tell(turns: list[_Turn]) -> None:
    for turn in turns:
        turn.tell()
