"""The storage protocol over a folder, method by method. See `imges.storage.Storage` for what each promises."""

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from stat import S_ISLNK
from typing import Any, ClassVar, ParamSpec, Self, TypeVar

from imges.storage import (
    Address,
    NewObject,
    ObjectEntry,
    ObjectStat,
    Storage,
    StorageError,
    StorageFull,
    StorageUnavailable,
    checked_key,
    round_trip,
)

from . import putting, reading, starting
from .tree import Tree

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 16
"""Operations at once, in threads of their own. They mostly wait for the disk. In the loop's shared threads, a slow disk
would keep the other rooms waiting too."""

CHUNK = 256 * 1024
"""Bytes that are read at once."""

PAGE = 1000
"""Objects that a scan fetches from its thread at once."""

FULL = {errno.ENOSPC, errno.EDQUOT}
"""Errors of a disk that has no room left, and of a user who has used up a quota."""


@dataclass(frozen=True, slots=True)
class DatefolderOptions:
    root: Path
    """The folder that all objects lie below. The backend makes it if it is missing."""


class DatefolderStorage(Storage):
    """Files below a root."""

    Options: ClassVar[type[Any]] = DatefolderOptions

    def __init__(self, root: Path) -> None:
        self._tree = Tree(root)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="datefolder")

    @classmethod
    async def connect(cls, options: DatefolderOptions) -> Self:
        """Makes the root and its staging folder if they are missing. Raises `StorageRefused` if they cannot be used."""
        root = options.root.absolute()
        await asyncio.to_thread(starting.prepare, root)
        return cls(root)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    async def put(
        self,
        key: str,
        file: Path,
        *,
        media_type: str,  # noqa: ARG002  (the extension of the file says it)
        expires: datetime | None = None,  # noqa: ARG002  (the server that sends the file sets the header)
        replace: bool = False,
    ) -> None:
        if replace:
            await self._run(putting.replace, self._tree, checked_key(key), file)
        else:
            await self._run(putting.put_all, self._tree, [(checked_key(key), file)], [])

    async def put_all(self, objects: Sequence[NewObject], stored: list[str]) -> None:
        """Takes one thread for all objects, and syncs each folder once."""
        files = [(checked_key(each.key), each.file) for each in objects]
        await self._run(putting.put_all, self._tree, files, stored)

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[AsyncGenerator[bytes]]:
        with ExitStack() as opened:  # the thread fills it, so nothing stays open if we are cancelled meanwhile
            descriptor, size = await self._run(reading.open_object, self._tree, checked_key(key), opened)
            stop = size if stop is None else min(stop, size)
            async with aclosing(self._chunks(descriptor, start, stop)) as chunks:
                yield chunks

    async def stat(self, key: str) -> ObjectStat:
        return await self._run(reading.stat, self._tree, checked_key(key))

    async def delete(self, key: str) -> None:
        await self._run(reading.delete, self._tree, checked_key(key))

    async def scan(self, prefix: str = "") -> AsyncGenerator[ObjectEntry]:
        walk = reading.walk(self._tree, prefix)
        try:
            while page := await self._run(lambda: list(islice(walk, PAGE))):
                for entry in page:
                    yield entry
        finally:
            walk.close()

    async def sweep(self, older_than: timedelta) -> None:
        await self._run(reading.sweep, self._tree, older_than)

    def local_path(self, key: str) -> Path | None:
        """The file of *key*; `None` if a symlink stands on the way (`open` then raises `KeyMissing`).

        It asks the disk for a few names only, which the kernel keeps in memory, so the event loop may call it.
        """
        path = str(self._tree.root)
        try:
            for part in checked_key(key).split("/"):
                path = f"{path}/{part}"
                if S_ISLNK(os.lstat(path).st_mode):
                    return None
        except OSError:  # this part does not exist, so nothing exists below it
            pass
        return self._tree.root / key

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:  # noqa: ARG002
        checked_key(key)
        return None

    async def check(self) -> None:
        await self._run(starting.refuse_foreign, self._tree.root)
        await round_trip(self)

    # To the threads and back

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs *work* in a thread, to its end even if the caller is cancelled.

        Raises what *work* raises; its `OSError` becomes an error of the protocol.
        """
        running = asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await _ended(running)
            raise
        except OSError as error:
            raise self._translated(error) from error

    def _translated(self, error: OSError) -> StorageError:
        """What *error* means to a client. The path stands in a note, which only the log shows."""
        translated = StorageFull() if error.errno in FULL else StorageUnavailable()
        translated.add_note(f"below {self._tree.root}: {error}")
        return translated

    async def _chunks(self, descriptor: int, start: int, stop: int) -> AsyncGenerator[bytes]:
        while start < stop:
            chunk = await self._run(os.pread, descriptor, min(CHUNK, stop - start), start)
            if not chunk:
                raise StorageUnavailable("an object became shorter while it was read")
            yield chunk
            start += len(chunk)


async def _ended(running: asyncio.Future[Any]) -> None:
    """Waits until *running* is done, even if the waiting is cancelled again. Nobody needs its result any more."""
    while not running.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([running])
    running.exception()  # marks it as seen, or asyncio would log it
