"""A target of `libfuzzer`: any bytes as the body of an upload.

The server refuses the body with one of our errors, or reads it, in the same way in whatever pieces it arrives. The
first byte of an input selects the kind of form, the second one the size of the pieces.
"""

import asyncio
import base64
import hashlib
import re
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

from aiohttp import web
from multidict import CIMultiDict

from imges.access.disk import DiskRoom
from imges.errors import ImgesError, UrlRefused
from imges.receiving.fetch import Fetcher
from imges.receiving.intake import Intake
from imges.receiving.spool import Spool
from imges.web.api.form_fields import MAX_FIELDS
from imges.web.api.upload_form import MAX_TEXT, UploadForm
from imges.web.api.upload_options import upload_options
from tests import drawn
from tests.served import multipart

LONGEST = 8 * 1024
LIMIT = 4096
"""Bytes of a picture."""
LONG = "---------------------------9051914041544843365972754266"
KINDS = (
    ("multipart/form-data; boundary=x", b"--x"),
    ("application/x-www-form-urlencoded", b""),
    (f"multipart/form-data; boundary={LONG}", b"--" + LONG.encode()),
    ('multipart/form-data; boundary="x y"; charset=utf-8', b"--x y"),
)
"""Types of bodies, and what separates their fields."""


REFUSED = ("MalformedBody", True)


class _Nowhere:
    """Stands in for the fetcher: no URL can be reached."""

    def fetch(self, _address: str, *, limit: int) -> AbstractAsyncContextManager[NoReturn]:
        raise UrlRefused


@dataclass
class _Pieces:
    """A body in pieces of *size* bytes."""

    body: bytes
    size: int
    at: int = 0

    def read_nowait(self) -> bytes:
        return b""  # nothing has arrived yet

    def at_eof(self) -> bool:
        return self.at >= len(self.body)

    async def readany(self) -> bytes:
        self.at += self.size
        return self.body[self.at - self.size : self.at]


@dataclass
class _Sent:
    """The part of a request that the form uses."""

    content: _Pieces
    headers: CIMultiDict[str]
    query: dict[str, str] = field(default_factory=dict[str, str])
    content_length: int | None = None


def seeds() -> Iterable[bytes]:
    picture = drawn.png()
    text = base64.b64encode(picture)
    yield b"\0\x10" + multipart(picture)
    head = b'--x\r\nContent-Disposition: form-data; name="'
    yield b"\0\xff" + head + b'key"\r\n\r\nabc\r\n' + multipart(picture, "a.png")
    yield b"\0\x07" + head + b'source"; filename*=UTF-8\'\'%e2%82%ac.png; filename="x"\r\n\r\n' + picture + b"\r\n--x--"
    yield b"\0\x40" + head + b'source"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n' + text + b"\r\n--x--\r\n"
    yield b"\0\x40" + head + b'title"\r\n\r\nA title\r\n' + head + b'expiration"\r\n\r\nPT5M\r\n--x--\r\n'
    yield b"\1\x05key=abc&source=" + text.replace(b"+", b"%2B").replace(b"=", b"%3D") + b"&format=txt&width=100"
    yield b"\1\x20source=data%3Aimage%2Fpng%3Bbase64%2C" + text + b"&tags=a,b&nsfw=1&title=%E2%82%AC"
    yield b"\1\x03source=http%3A%2F%2Fexample.com%2Fa.png&expiration=P1D"
    yield b"\2\x80" + multipart(picture).replace(b"--x", KINDS[2][1])
    yield b"\3\x80" + multipart(picture).replace(b"--x", KINDS[3][1])
    yield b"\0\x07--not it--x--"


def mended(data: bytes) -> bytes:
    return data


def one(data: bytes) -> None:
    """Raises `AssertionError` if one of the promises is broken."""
    if len(data) < 2:
        return
    (kind, boundary), size, body = KINDS[data[0] % len(KINDS)], data[1] + 1, data[2:]
    whole = _run(_outcome(kind, body, len(body) + 1))
    pieces = _run(_outcome(kind, body, size))
    if REFUSED in (whole, pieces) and (re.search(rb"(?<!\r)\n", body) or not body.startswith(boundary)):
        return  # a lone line feed in a header, or text before the first boundary, is noticed in one piece only
    assert whole[-1] is not False, f"not the client's fault: {whole}"
    assert whole == pieces, f"in one piece: {whole}\nin pieces of {size}: {pieces}"


class _AtOnce(ThreadPoolExecutor):
    """Runs work at once in the same thread: changes of threads would take most of the time."""

    def submit(self, work: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(error)
        return done


_folder = tempfile.TemporaryDirectory(prefix="form-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
_loop = asyncio.new_event_loop()
_loop.set_default_executor(_AtOnce())
_disk = DiskRoom([Path(_folder.name)], 0, lambda: 0.0)


def _run(work: Any) -> Any:
    return _loop.run_until_complete(work)


async def _outcome(kind: str, body: bytes, size: int) -> tuple[object, ...]:
    """Returns everything that was read, or the class of the error and whether the client caused it."""
    folder = Path(_folder.name)
    try:
        return await _read(kind, body, size, folder)
    except ImgesError as error:
        return (type(error).__name__, error.status < 500)
    finally:
        for file in folder.iterdir():
            file.unlink()


async def _read(kind: str, body: bytes, size: int, folder: Path) -> tuple[object, ...]:
    form = UploadForm()
    request = _Sent(_Pieces(body, size), CIMultiDict({"Content-Type": kind}))
    async with _disk.room(0) as room:
        await form.read(cast("web.Request", request), folder, LIMIT, room)
    assert len(form.fields) + len(form.files) + len(form.texts) <= MAX_FIELDS
    assert sum(map(len, form.fields.values())) <= MAX_TEXT
    assert sum(file.stat().st_size for file in folder.iterdir()) <= len(body)
    fields = dict(form.fields)
    files = {name: (file.size, file.digest(), told) for name, (file, told) in form.files.items()}
    texts = {name: hashlib.md5(text.path.read_bytes()).hexdigest() for name, text in form.texts.items()}
    options = upload_options(form.fields, {}, 16384)
    intake = Intake(Spool(folder), cast("Fetcher", _Nowhere()), LIMIT)
    received = await form.receive(intake, folder, by_get=False)
    content = received.file.path.read_bytes() if received.file.content is None else received.file.content
    assert received.file.size == len(content) <= LIMIT
    assert received.file.digest() == hashlib.md5(content).hexdigest()
    return fields, files, texts, options, content, received.name, received.source
