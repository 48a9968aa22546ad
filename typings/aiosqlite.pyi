# What we use of `aiosqlite`, protected names included. Its own types leave them partly unknown.

import sqlite3
from asyncio import Future
from collections.abc import Callable, Generator
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self, TypeVar

_T = TypeVar("_T")

class Connection:
    _connection: sqlite3.Connection | None
    _thread: Thread
    _tx: SimpleQueue[tuple[Future[Any] | None, Callable[[], object]]]

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None: ...
    def __await__(self) -> Generator[Any, None, Self]: ...
    def stop(self) -> Future[Any] | None: ...
    async def _execute(self, fn: Callable[[], _T]) -> _T: ...
    async def execute(self, sql: str) -> Any: ...

def connect(database: Any, **options: Any) -> Any: ...
