"""The request body: its bytes under a deadline, and its fields as events, both kinds of form alike."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from imges.errors import BodyTooSlow, CompressedBody, MalformedBody

WINDOW = 20.0
"""Seconds within which a body must bring `WINDOW_BYTES` more, or it is too slow."""
WINDOW_BYTES = 64 * 1024

MAX_FIELDS = 200
MAX_FIELD_NAME = 256
"""Bytes."""

_EXTENDED_FILENAME = re.compile(r";\s*filename\*\s*=\s*\"?(utf-8|iso-8859-1)'[^']*'([^;\s\"]+)", re.IGNORECASE)

_CHARSETS = {None, "utf-8", "utf8", "us-ascii", "ascii"}


@dataclass(frozen=True, slots=True)
class Field:
    """The beginning of a field: *filename* and *content_type* only in multipart; *form_encoded*: its bytes still have
    the escapes of an urlencoded form.
    """

    name: str
    filename: str | None = None
    content_type: str | None = None
    form_encoded: bool = False


Event = Field | bytes | None
"""A field begins, some of its bytes, or (`None`) it ends."""


def events(request: web.Request) -> AsyncIterator[Event]:
    """The fields of the body; none for a body that is no form.

    Raises (at once or while reading): CompressedBody, MalformedBody, BodyTooSlow.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise CompressedBody
    media_type, options = parse_options_header(request.headers.get("Content-Type", ""))
    if options.get("charset", "utf-8").lower() not in _CHARSETS:
        raise MalformedBody("the form's charset is not UTF-8")
    if media_type == "multipart/form-data":
        return _multipart(_chunks(request), options.get("boundary", ""))
    if media_type == "application/x-www-form-urlencoded":
        return _urlencoded(_chunks(request))
    return _nothing()


async def _nothing() -> AsyncGenerator[Event]:
    return
    yield


async def _chunks(request: web.Request) -> AsyncGenerator[bytes]:
    """The bytes of the body as they come. Raises: BodyTooSlow, MalformedBody."""
    received, loop, body = 0, asyncio.get_running_loop(), request.content
    deadline = loop.time() + WINDOW
    try:
        while True:
            chunk = body.read_nowait()  # mostly there is something, and a deadline costs more than reading it
            if not chunk and not body.at_eof():
                async with asyncio.timeout_at(deadline):
                    chunk = await body.readany()
            if not chunk:
                return
            received += len(chunk)
            if received >= WINDOW_BYTES:
                received, deadline = 0, loop.time() + WINDOW
            yield chunk
    except TimeoutError as error:
        raise BodyTooSlow from error
    except (HttpProcessingError, web.RequestPayloadError) as error:
        raise MalformedBody("the request body is malformed") from error


async def _multipart(chunks: AsyncIterator[bytes], boundary: str) -> AsyncGenerator[Event]:
    try:
        # Headers as Latin-1, which takes any byte: clients send file names in every charset.
        parser = PushMultipartParser(boundary, max_segment_count=MAX_FIELDS, header_charset="latin-1")
        async for chunk in chunks:
            for event in parser.parse(chunk):
                yield _field(event) if isinstance(event, MultipartSegment) else event
        parser.close()
    except MultipartError as error:
        raise MalformedBody(f"the multipart body is malformed: {error}") from error


def _field(segment: MultipartSegment) -> Field:
    if segment.charset is not None and segment.charset.lower() not in _CHARSETS:
        raise MalformedBody("the charset of a field is not UTF-8")
    return Field(
        name=_text(segment.name)[:MAX_FIELD_NAME],
        filename=_filename(segment),
        content_type=segment.content_type,
    )


def _filename(segment: MultipartSegment) -> str | None:
    """The client's name of the file; the extended form (RFC 5987), which .NET sends beside the plain one, wins."""
    if extended := _EXTENDED_FILENAME.search(segment.header("Content-Disposition", "")):
        return unquote(extended[2], encoding=extended[1], errors="replace")
    return None if segment.filename is None else _text(segment.filename)


def _text(header: str) -> str:
    """Header text that came as UTF-8, as browsers send it; else taken as Latin-1."""
    raw = header.encode("latin-1", "replace")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return header


async def _urlencoded(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Event]:
    parser = _UrlencodedParser()
    async for chunk in chunks:
        for event in parser.parse(chunk):
            yield event
    for event in parser.end_of_field():
        yield event


class _UrlencodedParser:
    """`name=value&…`, values passed on as they come: a picture in base64 never stands in memory."""

    def __init__(self) -> None:
        self._name = b""
        self._in_value = False
        self._fields = 0

    def parse(self, chunk: bytes) -> Iterator[Event]:
        """Raises: MalformedBody for too many fields or too long a name."""
        for number, piece in enumerate(chunk.split(b"&")):
            if number:
                yield from self.end_of_field()
            if self._in_value:
                value = piece
            else:
                name, sign, value = piece.partition(b"=")
                self._name += name
                if len(self._name) > MAX_FIELD_NAME:
                    raise MalformedBody("the name of a field is too long")
                if not sign:
                    continue
                yield self._begin()
            if value:
                yield value

    def end_of_field(self) -> Iterator[Event]:
        """The end of the field that was begun; a name without a value counts as an empty one."""
        if self._in_value or self._name:
            if not self._in_value:
                yield self._begin()
            yield None
        self._name, self._in_value = b"", False

    def _begin(self) -> Field:
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise MalformedBody(f"the form has more than {MAX_FIELDS} fields")
        self._in_value = True
        return Field(unquote_plus(self._name.decode("latin-1"), errors="replace"), form_encoded=True)
