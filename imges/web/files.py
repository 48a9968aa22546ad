"""Serving of objects: `/images/{key}`, as their place delivers them: from a file, as a stream, or by a redirect.

The address is ours in any case. HEAD, conditions and what they come to are answered here, by our ETag; a range goes
along with a redirect, for clients repeat it where they are sent to.
"""

import asyncio
import errno
import logging
import os
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from stat import S_ISREG
from typing import NoReturn
from urllib.parse import quote

from aiohttp import web

from imges.errors import NotFound
from imges.service import Located
from imges.storage import Address, KeyMissing, StorageError, StorageUnavailable, moment_of
from imges.web import conditional
from imges.web.headers import PICTURE, caching
from imges.web.keys import SERVICE, SETTINGS
from imges.web.recent import FOUND

log = logging.getLogger(__name__)

WHOLE = 128 * 1024
"""Bytes up to which a file is read and sent at once, in one hop to a thread; larger ones go by sendfile."""

READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""Opening what somebody laid there that is no file, a pipe for one, must not hold us."""

REDIRECT_LIFE = timedelta(minutes=10)
"""How long a redirect to a permanent address is cached: the picture may be moved to another place."""

CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")


_THREADS = ThreadPoolExecutor(4, "files")
"""Of their own: in those of others, which write and hash uploads, a reader would stand in line."""


def routes() -> list[web.RouteDef]:
    return [web.get("/images/{key:.+}", picture), web.options("/images/{key:.+}", preflight)]


async def preflight(_: web.Request) -> web.StreamResponse:
    return web.Response(status=204, headers=PICTURE | {"Access-Control-Allow-Methods": "GET, HEAD, OPTIONS"})


async def picture(request: web.Request) -> web.StreamResponse:
    """An object with its strong ETag, ranges, and caching for a year, or for as long as the picture lives."""
    service, key = request.app[SERVICE], request.match_info["key"]
    try:
        return await _send(request, await service.locate(key))
    except KeyMissing:  # it may just have been moved to another place
        service.look_again(key)
    try:
        return await _send(request, await service.locate(key))
    except KeyMissing as error:
        raise NotFound from error


async def _send(request: web.Request, found: Located) -> web.StreamResponse:
    """Raises: KeyMissing, before anything was sent."""
    location = request.app[SETTINGS].server.accel_redirect
    if location is not None and "If-Match" not in request.headers:  # nginx would judge that by an ETag of its own
        modified_and_size = await asyncio.to_thread(_looked_up, found)
        if modified_and_size is not None:
            return _hand_over(request, found, location, *modified_and_size)
    file = await asyncio.get_running_loop().run_in_executor(_THREADS, _open, found)
    if file is None:
        return await (_redirect(request, found, found.address) if found.address else _send_stream(request, found))
    async with _closing(file):
        return await _send_file(request, found, file)


async def send_path(
    request: web.Request, path: Path, *, media_type: str, caching: str, headers: dict[str, str]
) -> web.StreamResponse:
    """A file that is the owner's and no picture of the catalog. Raises: NotFound."""
    try:
        file = await asyncio.get_running_loop().run_in_executor(_THREADS, _LocalFile, path)
    except OSError as error:
        raise NotFound from error
    async with _closing(file):
        etag = f"{round(file.modified.timestamp() * 1e6):x}-{file.size:x}"
        span = conditional.evaluate(request, etag=etag, modified=file.modified, size=file.size)
        own = conditional.headers(
            span, etag=etag, modified=file.modified, size=file.size, media_type=media_type, caching=caching
        )
        return await _send_span(request, file, span, headers | own)


class _LocalFile:
    """A file with what its head needs: *size* in bytes, *modified*, and all of it where that is little, else open.

    Raises: OSError.
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
async def _closing(file: _LocalFile) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        if not file.file.closed:
            await asyncio.to_thread(file.close)


def _status(descriptor: int) -> os.stat_result:
    """Raises: FileNotFoundError for a pipe, and whatever else is no file."""
    status = os.fstat(descriptor)
    if not S_ISREG(status.st_mode):
        raise FileNotFoundError(errno.ENOENT, "no file")
    return status


def _open(found: Located) -> _LocalFile | None:
    """The object as a file, where its place has files. Blocking. Raises: KeyMissing, StorageUnavailable."""
    path = found.storage.local_path(found.key)
    with _opening(found):
        return None if path is None else _LocalFile(path)


@contextmanager
def _opening(found: Located) -> Generator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise KeyMissing(found.key) from error
    except OSError as error:
        raise StorageUnavailable from error


def _looked_up(found: Located) -> tuple[datetime, int] | None:
    """When the object's file was modified, and its size in bytes. Blocking. Raises as `_open` does."""
    path = found.storage.local_path(found.key)
    if path is None:
        return None
    with _opening(found):
        stat = path.stat()
        if not S_ISREG(stat.st_mode):
            raise FileNotFoundError
    return moment_of(stat.st_mtime), stat.st_size


def _hand_over(
    request: web.Request, found: Located, location: str, modified: datetime, size: int
) -> web.StreamResponse:
    """An answer by which nginx sends the file from its internal *location*, ranges of it too.

    What the client has already is settled here, by our ETag; nginx passes that on where its configuration says so.
    """
    span = conditional.evaluate(request, etag=_etag(found), modified=modified, size=size)
    if span.is_empty:
        return _head(span, _headers(found, span, size=size, modified=modified))
    headers = _headers(found, conditional.Span(200, 0, size), size=size, modified=modified)
    del headers["Content-Length"]  # the body is nginx's
    request[FOUND] = found
    headers["X-Accel-Redirect"] = f"{location.rstrip('/')}/{quote(found.place)}/{quote(found.key)}"
    return web.Response(headers=headers)


async def _send_file(request: web.Request, found: Located, file: _LocalFile) -> web.StreamResponse:
    span = conditional.evaluate(request, etag=_etag(found), modified=file.modified, size=file.size)
    if span.status == 200 and file.content is not None:
        request[FOUND] = found
    return await _send_span(request, file, span, _headers(found, span, size=file.size, modified=file.modified))


async def _send_span(
    request: web.Request, file: _LocalFile, span: conditional.Span, headers: dict[str, str]
) -> web.StreamResponse:
    if span.is_empty or request.method == "HEAD":
        return _head(span, headers)
    if file.content is not None:
        return web.Response(status=span.status, headers=headers, body=file.content[span.start : span.stop])
    response = web.StreamResponse(status=span.status, headers=headers)
    await response.prepare(request)
    if request.transport is None:
        raise ConnectionResetError
    await asyncio.get_running_loop().sendfile(request.transport, file.file, span.start, span.stop - span.start)
    await response.write_eof()
    return response


async def _send_stream(request: web.Request, found: Located) -> web.StreamResponse:
    size, modified = await _measured(request, found)
    span = conditional.evaluate(request, etag=_etag(found), modified=modified, size=size)
    headers = _headers(found, span, size=size, modified=modified)
    if span.is_empty or request.method == "HEAD":
        return _head(span, headers)
    stop = span.stop if span.status == 206 else None
    async with found.storage.open(found.key, start=span.start, stop=stop) as chunks:
        response = web.StreamResponse(status=span.status, headers=headers)
        await response.prepare(request)
        left = span.stop - span.start
        try:
            async for chunk in chunks:
                await response.write(chunk)
                left -= len(chunk)
        except StorageError as error:
            _cut_off(request, error)
        if left > 0:
            _cut_off(request, StorageUnavailable("the object is shorter than it should be"))
        await response.write_eof()
    return response


async def _measured(request: web.Request, found: Located) -> tuple[int, datetime]:
    """Size and time of an object, as the catalog knows them; the storage is asked where it does not, and for HEAD,
    which nothing else would ask whether the object is there. Raises: KeyMissing, StorageUnavailable.
    """
    if found.file and found.created and request.method != "HEAD":
        return found.file.size, found.created
    stat = await found.storage.stat(found.key)
    return stat.size, found.created or stat.modified


def _cut_off(request: web.Request, error: StorageError) -> NoReturn:
    """End the connection, so that nobody takes for whole what is not: the answer has begun, and tells no errors."""
    log.warning("%s was cut off: %s", request.path, error, exc_info=error)
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError from error


async def _redirect(request: web.Request, found: Located, address: Address) -> web.StreamResponse:
    """No validator goes along, or a client would be told that its old redirect still holds.

    A presigned address holds for GET alone, so HEAD is answered here.
    """
    if request.method == "HEAD" or any(name in request.headers for name in CONDITIONS):
        size, modified = await _measured(request, found)
        span = conditional.evaluate(request, etag=_etag(found), modified=modified, size=size)
        if request.method == "HEAD" or span.status in {304, 412}:
            return _head(span, _headers(found, span, size=size, modified=modified))
    life = REDIRECT_LIFE if address.lifetime is None else address.lifetime / 2
    headers = {"Cache-Control": f"public, max-age={int(life.total_seconds())}", "Location": address.url}
    return web.Response(status=302, headers=PICTURE | headers)


def _head(span: conditional.Span, headers: dict[str, str]) -> web.StreamResponse:
    """An answer without a body, its length told all the same for HEAD."""
    response = web.StreamResponse(status=span.status, headers=headers)
    response.content_length = span.stop - span.start
    return response


def _etag(found: Located) -> str | None:
    return found.file.md5 if found.file else None


def _headers(found: Located, span: conditional.Span, *, size: int, modified: datetime) -> dict[str, str]:
    return PICTURE | conditional.headers(
        span,
        etag=_etag(found),
        modified=modified,
        size=size,
        media_type=found.media_type,
        caching=caching(found),
    )
