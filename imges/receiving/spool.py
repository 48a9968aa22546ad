"""The spool: files of uploads on the disk of the data folder, until the storage has them.

Bytes go to the disk in blocks. Only small pictures stay in memory as a whole.
"""

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from imges.durable import make_folders, shared
from imges.errors import DiskReserve, FileTooLarge, SpoolUnavailable

BLOCK = 2**20
"""Bytes that are gathered before a thread writes them. One write is then enough for nearly all screenshots."""
SMALLEST_BLOCK = 16 * 1024
SMALL = 64 * 1024
"""Bytes up to which a file stays in memory: a change of threads to write it would cost more than the memory."""
TOGETHER = 16 * 2**20
"""Bytes that all uploads of the process together gather. The more uploads run, the smaller their blocks are."""

KEPT = 16
"""Folders that are kept for the next uploads."""

APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Spooled:
    """A received file of *size* bytes at *path*. A small one may exist only as *content*: the reader then writes it."""

    path: Path
    size: int
    content: bytes | None = None

    def digest(self) -> str:
        """Returns the MD5 of the received bytes in hex. Blocking. Raises `SpoolUnavailable` if it cannot be read."""
        if self.content is not None:
            return hashlib.md5(self.content, usedforsecurity=False).hexdigest()
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError as error:
            raise SpoolUnavailable from error


def translated(error: OSError) -> DiskReserve | SpoolUnavailable:
    """Returns the error for a client if the spool's disk failed with *error*."""
    return DiskReserve() if error.errno in {errno.ENOSPC, errno.EDQUOT} else SpoolUnavailable()


class Spool:
    """The folder of running uploads. Each upload has a folder of its own below it, emptied when the upload has ended.

    `KEPT` of these folders are made at the start and used again and again, because making one costs more than writing
    all files of an icon. Further ones, for many uploads at once, are removed afterwards.
    """

    uploads = 0
    """Uploads that run in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._free: list[Path] = []
        self._ended: list[Path] = []
        self._emptying: asyncio.Task[None] | None = None

    @classmethod
    def block(cls) -> int:
        """Returns how many bytes one upload may gather in memory now."""
        return max(SMALLEST_BLOCK, min(BLOCK, TOGETHER // max(1, cls.uploads)))

    @asynccontextmanager
    async def prepared(self) -> AsyncGenerator[Self]:
        """The spool, emptied of what a killed process left. Only for the process that holds the data folder's lock."""
        self._free = await asyncio.to_thread(self._prepare)
        try:
            yield self
        finally:
            if self._emptying:
                await self._emptying
            await asyncio.to_thread(_remove, self._free)

    def _prepare(self) -> list[Path]:
        shutil.rmtree(self._folder, ignore_errors=True)
        return [_made_below(self._folder) for _ in range(KEPT)]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Path]:
        """A folder for one upload. Raises `DiskReserve` if the disk is full, `SpoolUnavailable`."""
        folder = self._free.pop() if self._free else await self._another()
        Spool.uploads += 1
        try:
            yield folder
        finally:
            Spool.uploads -= 1
            self._ended.append(folder)
            if self._emptying is None:  # a running one goes on until nothing is left
                self._emptying = asyncio.create_task(self._empty())

    async def check(self) -> None:
        """Writes a file and removes it. Raises `DiskReserve` if the disk is full, `SpoolUnavailable`."""
        try:
            await asyncio.to_thread(_try_out, self._folder)
        except OSError as error:
            raise translated(error) from error

    async def _another(self) -> Path:
        try:
            return await asyncio.to_thread(_made_below, self._folder)
        except OSError as error:
            raise translated(error) from error

    async def _empty(self) -> None:
        """Empties the folders of ended uploads, all at a time. No upload waits for it.

        If one of them is gone, somebody has cleared the spool. The kept folders are then probably gone as well, so
        they are given up.
        """
        while self._ended:
            ended, self._ended = self._ended, []
            kept = await asyncio.to_thread(_emptied, ended, keep=KEPT - len(self._free))
            if kept is None:
                gone, self._free = self._free, []
                await asyncio.to_thread(_remove, gone)
            else:
                self._free += kept
        self._emptying = None


def _try_out(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(b"imges")


def _made_below(folder: Path) -> Path:
    make_folders(folder, 0o700)
    made = Path(tempfile.mkdtemp(prefix="upload-", dir=folder))
    if (mode := shared(0o700, folder)) != 0o700:  # another user may have to empty the spool
        made.chmod(mode)
    return made


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _emptied(folders: list[Path], *, keep: int) -> list[Path] | None:
    """Removes the files in *folders*. Returns up to *keep* folders that can be used again and removes the others.

    Returns `None` if one of *folders* did not exist any more; all are removed then.
    """
    renewed: list[Path] = []
    lost = False
    for folder in folders:
        try:
            renewed += _renewed(folder)
        except FileNotFoundError:
            lost = True
    _remove([*folders, *renewed] if lost else renewed[keep:])
    return None if lost else renewed[:keep]


def _renewed(folder: Path) -> list[Path]:
    """Empties *folder* and returns it under a new name; returns `[]` if that fails, and removes it.

    The new name comes first: a thread of an aborted request may still write, and must not write into the folder of the
    next upload. Raises `FileNotFoundError` if the folder does not exist any more.
    """
    new = folder.with_name(f"upload-{secrets.token_hex(8)}")
    try:
        folder.rename(new)
        for name in os.listdir(new):  # noqa: PTH208 - names are enough, and every upload comes here
            os.unlink(f"{new}/{name}")  # noqa: PTH108
    except FileNotFoundError:
        raise
    except OSError:
        _remove([new, folder])
        return []
    return [new]


class SpoolWriter:
    """Writes one file of at most *limit* bytes. A larger one raises `FileTooLarge`, with another limit if given."""

    def __init__(self, path: Path, limit: int, *, told: int | None = None) -> None:
        self._path = path
        self._limit = limit
        self._told = limit if told is None else told
        self._blocks: list[bytes] = []
        self._waiting = 0
        self._written = 0

    @property
    def size(self) -> int:
        return self._written + self._waiting

    async def write(self, chunk: bytes) -> None:
        """Appends *chunk*. Raises `FileTooLarge`, `DiskReserve` if the disk is full, `SpoolUnavailable`."""
        if self.size + len(chunk) > self._limit:
            raise FileTooLarge(self._told)
        self._blocks.append(chunk)
        self._waiting += len(chunk)
        if self._waiting >= Spool.block():
            await self._flush()

    async def finish(self, *, may_wait: bool = False) -> Spooled:
        """Returns the file, all of it written; with *may_wait* a small one may stay in memory.

        The file is not synced: no client has been promised anything before the storage has it.
        """
        if may_wait and not self._written and self._waiting <= SMALL:
            content = b"".join(self._blocks)
            return Spooled(self._path, len(content), content)
        await self._flush()
        return Spooled(self._path, self._written)

    async def _flush(self) -> None:
        block, self._blocks, self._waiting = b"".join(self._blocks), [], 0
        try:
            await asyncio.to_thread(self._append, block)
        except OSError as error:
            raise translated(error) from error

    def _append(self, block: bytes) -> None:
        file = os.open(self._path, APPENDING, 0o600)  # a file object would make four further system calls
        try:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)
        self._written += len(block)


async def spool_chunks(chunks: AsyncIterable[bytes], path: Path, limit: int) -> Spooled:
    """Writes all of *chunks* to the file *path*. Raises what `SpoolWriter` and *chunks* raise."""
    writer = SpoolWriter(path, limit)
    async for chunk in chunks:
        await writer.write(chunk)
    return await writer.finish()
