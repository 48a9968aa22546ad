"""Writers that wait in line share a commit: a transaction spends its time in syncing, and one sync serves all of them.

A refused writer takes no other writer's rows along. Few writers are refused, so at first they run one after the other
in one transaction. If one is refused, that transaction is rolled back, and all run again, each in its own savepoint.
If the database itself fails, all of them get its error. After any other error each gets its own transaction.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from imges.errors import CatalogUnavailable, ImgesError

T = TypeVar("T")

MOST = 32
"""Writers that share a commit, at most."""


@dataclass(slots=True)
class _Turn:
    """One writer: its *work*, the moment at which it gives up, and the *answer* that its caller waits for."""

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
    """Runs works in the order of their calls, in the thread that does the jobs given to *hand_over*.

    *transaction* opens a transaction, which is committed at the end of its block. It gives up at the given moment of
    `time.monotonic`. *execute* runs a bare statement.
    """

    hand_over: Callable[[Callable[[], object]], None]
    transaction: Callable[[float], AbstractContextManager[Connection]]
    execute: Callable[[Connection, str], object]
    _line: list[_Turn] = field(default_factory=list[_Turn])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def run(self, work: Callable[[Connection], T], deadline: float) -> T:
        """Return the result of *work*, once it is committed.

        *work* may be called more than once. Only the last call counts.
        """
        turn = _Turn(work, deadline, asyncio.get_running_loop().create_future())
        with self._lock:
            self._line.append(turn)
            is_first = len(self._line) == 1
        if is_first:  # else the thread is on its way already
            self.hand_over(self._take_turns)
        return await turn.answer

    # In the thread

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
        """Return `False` if nothing is committed because one of the works failed."""
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


def _tell(turns: list[_Turn]) -> None:
    for turn in turns:
        turn.tell()
