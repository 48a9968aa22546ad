"""A part of a file on its way to the store."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager

CHUNK = 256 * 1024
"""Bytes that are read at once."""

AT_ONCE = 256 * 1024
"""Bytes up to which a body is read at once, and sent without asking the store first whether it accepts it."""


class Body:
    """*length* bytes from *start* of the open file *descriptor*, read in threads while they are sent.

    botocore takes it for a file, because it only looks whether there is a `read`. aiohttp iterates over it. Each retry
    iterates from the start again.
    """

    def __init__(self, descriptor: int, start: int, length: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._length = length
        self._watch: tuple[asyncio.Timeout, float] | None = None

    def read(self, _: int = -1) -> bytes:
        raise TypeError("this body is read by iterating over it")

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        position, stop = self._start, self._start + self._length
        while position < stop:
            chunk = await asyncio.to_thread(os.pread, self._descriptor, min(CHUNK, stop - position), position)
            if not chunk:
                raise OSError("the file became shorter while it was sent")
            self._advanced()
            yield chunk
            position += len(chunk)

    async def all(self) -> bytes:
        return await asyncio.to_thread(os.pread, self._descriptor, self._length, self._start)

    @contextmanager
    def watched(self, silence: asyncio.Timeout, seconds: float) -> Generator[None]:
        """Inside the block, each chunk that is sent moves the timeout *silence* to *seconds* from now.

        So a slow upload is not taken for a silent store.
        """
        self._watch = silence, seconds
        try:
            yield
        finally:
            self._watch = None

    def _advanced(self) -> None:
        if self._watch and not self._watch[0].expired():
            silence, seconds = self._watch
            silence.reschedule(asyncio.get_running_loop().time() + seconds)
