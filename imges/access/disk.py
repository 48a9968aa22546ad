"""Gives uploads room on the disk, and stops them before the disk is full."""

import asyncio
import math
import os
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from imges.errors import Busy, DiskReserve, SpoolUnavailable


class DiskRoom:
    """The free room on the disks of *folders*. A part of it is promised to running uploads.

    Uploads leave *keep_free* bytes free: a full disk would also stop the catalog and the rest of the machine. Each
    upload is promised its room before it writes, because many uploads at once would each find the same room free.
    """

    MEASURE_EVERY = 1.0
    """Seconds for which a measurement of the free room is used."""
    PATIENCE = 5.0
    """Seconds for which an upload waits until other uploads release promised room."""
    COPIES = 2
    """An upload takes its size on the spool and, with its thumb and medium, once more in the storage."""

    def __init__(self, folders: Iterable[Path], keep_free: int, clock: Callable[[], float]) -> None:
        self._folders = [folder.absolute() for folder in folders]
        self.keep_free = keep_free
        self._clock = clock
        self._measured = -math.inf
        self._free = 0
        self._promised = 0
        self._released = asyncio.Event()

    async def check(self) -> None:
        """Raises `DiskReserve` if too little is free, `SpoolUnavailable` if a disk cannot be measured."""
        await self._measure()
        if self._free < self.keep_free:
            raise DiskReserve

    async def _measure(self) -> None:
        if self._clock() - self._measured < self.MEASURE_EVERY:
            return
        try:
            self._free = await asyncio.to_thread(lambda: min(map(free_bytes, self._folders)))
        except OSError as error:
            raise SpoolUnavailable from error
        self._measured = self._clock()

    @asynccontextmanager
    async def room(self, size: int) -> AsyncGenerator["Room"]:
        """The room of one upload that has announced *size* bytes; released on leaving.

        Entering checks that *size* bytes fit now but promises none of them: `Room.extend` does, as bytes arrive. A
        client that announces much and sends little therefore takes no room from others.

        Raises `DiskReserve` if the upload does not fit, `Busy` if it would only fit after other uploads have released
        their room and they do not within `PATIENCE`, `SpoolUnavailable` if a disk cannot be measured.
        """
        await self._wait_until_it_fits(size * self.COPIES)
        room = Room(self)
        try:
            yield room
        finally:
            self._promised -= room.promised * self.COPIES
            self._released.set()

    async def promise(self, size: int, *, already: int) -> None:
        """Promises *size* more bytes to an upload that has *already* so many. Raises what `room` raises."""
        await self._wait_until_it_fits(size * self.COPIES, already * self.COPIES)
        self._promised += size * self.COPIES

    async def _wait_until_it_fits(self, size: int, own: int = 0) -> None:
        if await self._fits(size, own):
            return
        try:
            async with asyncio.timeout(self.PATIENCE):
                while not await self._fits(size, own):
                    self._released.clear()
                    await self._released.wait()
        except TimeoutError as error:
            raise Busy from error

    async def _fits(self, size: int, own: int) -> bool:
        """Returns whether *size* bytes fit beside everything promised. *own* bytes of that belong to this upload.

        Raises `DiskReserve` if they would not fit even after every other upload has released its room.
        """
        await self.check()
        left = self._free - self.keep_free - size
        if left < own:
            raise DiskReserve
        return left >= self._promised


@dataclass(slots=True)
class Room:
    """The room of one upload: *promised* bytes so far."""

    disk: DiskRoom
    promised: int = 0

    async def extend(self, size: int) -> None:
        """Makes room for *size* bytes in all. Raises `DiskReserve`, `Busy`, `SpoolUnavailable`."""
        if size > self.promised:
            await self.disk.promise(size - self.promised, already=self.promised)
            self.promised = size


def free_bytes(folder: Path) -> int:
    """Returns the bytes that this process may still write on the disk of *folder*.

    If *folder* does not exist yet, the disk of the nearest existing parent is measured. Raises `OSError`.
    """
    try:
        disk = os.statvfs(folder)
    except FileNotFoundError:
        return free_bytes(folder.parent)
    return disk.f_bavail * disk.f_frsize
