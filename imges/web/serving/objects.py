"""Serving of objects: `/images/{key}`, as their place delivers them: from a file, as a stream, or by a redirect.

The address is ours in any case. HEAD and conditions are answered here, by our ETag. A request for a range is
redirected too, because the client repeats the range at the other address.
"""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from stat import S_ISREG
from typing import NoReturn
from urllib.parse import quote

from aiohttp import web

from imges.errors import Gone, NotFound
from imges.pictures.finding import Located
from imges.storage import Address, KeyMissing, StorageError, StorageUnavailable, moment_of
from imges.web.app_keys import FINDING, SETTINGS
from imges.web.headers import PICTURE, caching
from imges.web.serving import conditions
from imges.web.serving.local_files import LocalFile, answer_without_body, closing, in_reader_thread, send_span
from imges.web.serving.recent_answers import FOUND

log = logging.getLogger(__name__)

REDIRECT_LIFE = timedelta(minutes=10)
"""How long a redirect to a permanent address is cached. The picture may move to another place."""

EXTENSIONS = ("jpg", "png", "gif", "webp", "avif")
"""Extensions that originals have."""

CACHING = web.RequestKey("CACHING", str)
"""The `Cache-Control` of an address that is not the object's own."""

CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")


def routes() -> list[web.RouteDef]:
    return [web.get("/images/{key:.+}", picture), web.options("/images/{key:.+}", preflight)]


async def preflight(_: web.Request) -> web.StreamResponse:
    return web.Response(status=204, headers=PICTURE | {"Access-Control-Allow-Methods": "GET, HEAD, OPTIONS"})


async def picture(request: web.Request) -> web.StreamResponse:
    """Answers with an object: strong ETag, ranges, and caching for a year or for as long as the picture lives.

    People type `.PNG`, and some programs write it. If no object has that key, the one in lower case is served. An
    address without an extension leads to the page of the picture: ksnip makes such links.
    """
    key = request.match_info["key"]
    try:
        return await send_object(request, key)
    except NotFound:
        stem, _, extension = key.rpartition(".")
        if "." not in key.rpartition("/")[2]:
            return await _page_of(request, key)
        if extension == extension.lower():
            raise
    return await send_object(request, f"{stem}.{extension.lower()}")


async def _page_of(request: web.Request, stem: str) -> web.StreamResponse:
    """Sends on to the page of the only picture whose key is *stem* with an extension. Raises `NotFound` without one."""
    found: set[str] = set()
    for extension in EXTENSIONS:
        with suppress(NotFound, Gone, StorageUnavailable):
            located = await request.app[FINDING].locate(f"{stem}.{extension}")
            found |= {located.row.id} if located.row else set()
    if len(found) != 1:
        raise NotFound
    return web.Response(status=302, headers={"Location": f"/image/{quote(found.pop())}", "Cache-Control": "no-cache"})


async def send_current(request: web.Request, key: str) -> web.StreamResponse:
    """Answers with the object *key* at an address that may show another object later, so caches have to ask again."""
    request[CACHING] = "no-cache"
    return await send_object(request, key)


async def send_object(request: web.Request, key: str) -> web.StreamResponse:
    """Raises `NotFound`, `Gone`, `StorageUnavailable`."""
    finding = request.app[FINDING]
    try:
        return await _send(request, await finding.locate(key))
    except KeyMissing:  # it may just have been moved to another place
        finding.forget_key(key)
    found = await finding.locate(key)
    try:
        return await _send(request, found)
    except KeyMissing as error:
        with suppress(KeyMissing):
            await found.storage.stat(key)  # a place whose folder has vanished says so: the picture is not gone
        raise NotFound from error


async def _send(request: web.Request, found: Located) -> web.StreamResponse:
    """Raises `KeyMissing`, before anything is sent, if the place has no such object."""
    location = request.app[SETTINGS].server.accel_redirect
    if location is not None and "If-Match" not in request.headers:  # nginx would judge that by an ETag of its own
        modified_and_size = await asyncio.to_thread(_looked_up, found)
        if modified_and_size is not None:
            return _hand_over(request, found, location, *modified_and_size)
    file = await in_reader_thread(_open, found)
    if file is None:
        return await (_redirect(request, found, found.address) if found.address else _send_stream(request, found))
    async with closing(file):
        return await _send_file(request, found, file)


def _open(found: Located) -> LocalFile | None:
    """Returns the object as a file, or `None` if its place has no files. Blocking.

    Raises `KeyMissing` if the object is not there, `StorageUnavailable` if it cannot be read.
    """
    path = found.storage.local_path(found.key)
    with _translated(found):
        return None if path is None else LocalFile(path)


@contextmanager
def _translated(found: Located) -> Generator[None]:
    """Turns an `OSError` of the block into `KeyMissing` or `StorageUnavailable`."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise KeyMissing(found.key) from error
    except OSError as error:
        raise StorageUnavailable from error


def _looked_up(found: Located) -> tuple[datetime, int] | None:
    """Returns when the object's file was modified, and its size in bytes. Blocking. Raises as `_open` does."""
    path = found.storage.local_path(found.key)
    if path is None:
        return None
    with _translated(found):
        stat = path.stat()
        if not S_ISREG(stat.st_mode):
            raise FileNotFoundError
    return moment_of(stat.st_mtime), stat.st_size


def _hand_over(
    request: web.Request, found: Located, location: str, modified: datetime, size: int
) -> web.StreamResponse:
    """Returns an answer that makes nginx send the file, or a range of it, from its internal *location*.

    Conditions are answered here, by our ETag. nginx passes the ETag on if its configuration says so.
    """
    span = conditions.evaluate(request, etag=_etag(found), modified=modified, size=size)
    if span.is_empty:
        return answer_without_body(span, _headers(request, found, span, size=size, modified=modified))
    headers = _headers(request, found, conditions.Span(200, 0, size), size=size, modified=modified)
    del headers["Content-Length"]  # the body is nginx's
    _note(request, found)
    headers["X-Accel-Redirect"] = f"{location.rstrip('/')}/{quote(found.place)}/{quote(found.key)}"
    return web.Response(headers=headers)


async def _send_file(request: web.Request, found: Located, file: LocalFile) -> web.StreamResponse:
    span = conditions.evaluate(request, etag=_etag(found), modified=file.modified, size=file.size)
    if span.status == 200 and file.content is not None:
        _note(request, found)
    return await send_span(request, file, span, _headers(request, found, span, size=file.size, modified=file.modified))


async def _send_stream(request: web.Request, found: Located) -> web.StreamResponse:
    size, modified = await _measured(request, found)
    span = conditions.evaluate(request, etag=_etag(found), modified=modified, size=size)
    headers = _headers(request, found, span, size=size, modified=modified)
    if span.is_empty or request.method == "HEAD":
        return answer_without_body(span, headers)
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
    """Returns the size in bytes and the time of an object, as the catalog knows them.

    The storage is asked if the catalog does not know them, and for HEAD, or nothing would find out whether the object
    is there. Raises `KeyMissing` or `StorageUnavailable` as the storage does.
    """
    if found.file and found.created and request.method != "HEAD":
        return found.file.size, found.created
    stat = await found.storage.stat(found.key)
    return stat.size, found.created or stat.modified


def _cut_off(request: web.Request, error: StorageError) -> NoReturn:
    """End the connection, so that the client sees that the body is not whole: the status has been sent already."""
    log.warning("%s was cut off: %s", request.path, error, exc_info=error)
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError from error


async def _redirect(request: web.Request, found: Located, address: Address) -> web.StreamResponse:
    """Returns a redirect without an ETag, or a later answer 304 would confirm the client's old redirect.

    A presigned address is valid for GET alone, so HEAD is answered here.
    """
    if request.method == "HEAD" or any(name in request.headers for name in CONDITIONS):
        size, modified = await _measured(request, found)
        span = conditions.evaluate(request, etag=_etag(found), modified=modified, size=size)
        if request.method == "HEAD" or span.status in {304, 412}:
            return answer_without_body(span, _headers(request, found, span, size=size, modified=modified))
    life = REDIRECT_LIFE if address.lifetime is None else address.lifetime / 2
    kept = request.get(CACHING) or f"public, max-age={int(life.total_seconds())}"
    return web.Response(status=302, headers=PICTURE | {"Cache-Control": kept, "Location": address.url})


def _note(request: web.Request, found: Located) -> None:
    """Lets the answer be given again from memory, unless its address may show another object a moment later."""
    if CACHING not in request:
        request[FOUND] = found


def _etag(found: Located) -> str | None:
    return found.file.md5 if found.file else None


def _headers(
    request: web.Request, found: Located, span: conditions.Span, *, size: int, modified: datetime
) -> dict[str, str]:
    return PICTURE | conditions.headers(
        span,
        etag=_etag(found),
        modified=modified,
        size=size,
        media_type=found.media_type,
        caching=request.get(CACHING) or caching(found),
    )
