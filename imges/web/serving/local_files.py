"""Files of this machine, opened and sent without blocking the loop."""

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TypeVar

from aiohttp import web

from imges.errors import NotFound
from imges.storage import moment_of
from imges.web.serving import conditions

Argument = TypeVar("Argument")
Result = TypeVar("Result")

WHOLE = 128 * 1024
"""Bytes up to which a file is read at once, in one hop to a thread. Larger files are sent by sendfile."""

READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""Without waiting: to open a pipe that somebody laid there would block until something writes to it."""

_THREADS = ThreadPoolExecutor(4, "files")
"""Threads for files alone. In the loop's own, which write and hash uploads, a reader would stand in line."""


async def in_reader_thread(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """Returns what the blocking *function* returns for *argument*, called in a thread that only opens files."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, function, argument)


async def send_path(
    request: web.Request, path: Path, *, media_type: str, caching: str, headers: dict[str, str]
) -> web.StreamResponse:
    """Returns the answer with a file of the owner that is no picture of the catalog.

    Raises `NotFound` if the file cannot be read.
    """
    try:
        file = await in_reader_thread(LocalFile, path)
    except OSError as error:
        raise NotFound from error
    async with closing(file):
        etag = f"{round(file.modified.timestamp() * 1e6):x}-{file.size:x}"
        span = conditions.evaluate(request, etag=etag, modified=file.modified, size=file.size)
        own = conditions.headers(
            span, etag=etag, modified=file.modified, size=file.size, media_type=media_type, caching=caching
        )
        return await send_span(request, file, span, headers | own)


class LocalFile:
    """A file with what its answer needs: *size* in bytes, and when it was *modified*.

    A small file is read whole, into *content*; a larger one stays open. Raises `OSError` if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.file = os.fdopen(os.open(path, READING), "rb", buffering=0)
        try:
            stat = _status(self.file.fileno())
            self.size = stat.st_size
            self.modified = moment_of(stat.st_mtime)
            self.content = self.file.read() if self.size <= WHOLE else None
        except BaseException:
            self.close()
            raise
        if self.content is not None:
            self.close()

    def close(self) -> None:
        self.file.close()


@asynccontextmanager
async def closing(file: LocalFile) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        if not file.file.closed:
            await asyncio.to_thread(file.close)


def _status(descriptor: int) -> os.stat_result:
    """Raises `FileNotFoundError` if *descriptor* is not a regular file, but a pipe for example."""
    status = os.fstat(descriptor)
    if not S_ISREG(status.st_mode):
        raise FileNotFoundError(errno.ENOENT, "no file")
    return status


async def send_span(
    request: web.Request, file: LocalFile, span: conditions.Span, headers: dict[str, str]
) -> web.StreamResponse:
    """Returns the answer with the bytes of *file* that *span* names; only its head to a HEAD."""
    if span.is_empty or request.method == "HEAD":
        return answer_without_body(span, headers)
    if file.content is not None:
        return web.Response(status=span.status, headers=headers, body=file.content[span.start : span.stop])
    response = web.StreamResponse(status=span.status, headers=headers)
    await response.prepare(request)
    if request.transport is None:
        raise ConnectionResetError
    await asyncio.get_running_loop().sendfile(request.transport, file.file, span.start, span.stop - span.start)
    await response.write_eof()
    return response


def answer_without_body(span: conditions.Span, headers: dict[str, str]) -> web.StreamResponse:
    """Returns an answer without a body, for HEAD too, whose `Content-Length` is that of the body."""
    response = web.StreamResponse(status=span.status, headers=headers)
    response.content_length = span.stop - span.start
    return response
