"""The request body: its bytes, under a deadline, and its fields as events.

What the bytes of an upload are counts more than what `Content-Type` says: many clients say the wrong thing, and a form
without its boundary, a JSON object or a bare picture cannot be mistaken for anything else.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from urllib.parse import unquote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from imges.errors import BodyTooSlow, CompressedBody, FileTooLarge, MalformedBody
from imges.receiving import first_bytes
from imges.receiving.text import unquoted
from imges.web.api.form_fields import MAX_FIELD_NAME, MAX_FIELDS, Event, Field
from imges.web.api.json_body import JsonBody

WINDOW = 20.0
"""Seconds within which a body must bring `WINDOW_BYTES` more, or it is too slow."""
WINDOW_BYTES = 64 * 1024
GRACE = 60.0
"""Seconds after which a whole body must have come at `LEAST_RATE`."""
LEAST_RATE = 8 * 1024
"""Bytes a second of a whole body: a client that brings just `WINDOW_BYTES` in each window must not go on for hours."""

MAX_FORM = 64 * 1024
"""Bytes of a body, as they come, in which no picture is expected."""

MULTIPART, URLENCODED, JSON, PICTURE, UNKNOWN = "multipart", "urlencoded", "JSON", "a picture", "unknown"
"""What a body is."""

NO_ENCODING = {"", "identity", "none", "binary", "8bit", "7bit", "utf-8", "utf8"}
"""Values of `Content-Encoding` that say nothing about compression, although some are no content codings."""

_EXTENDED_FILENAME = re.compile(r";\s*filename\*\s*=\s*\"?(utf-8|iso-8859-1)'[^']*'([^;\s\"]+)", re.IGNORECASE)

_ESCAPED = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*")

_LOST_BOUNDARY = re.compile(rb"(?:\r\n)?--(?P<boundary>[\x21-\x7e]{1,200})\r\n(?P<next>content-)?", re.IGNORECASE)
"""How a multipart body begins. With `next` no other body begins like this."""

_JSON_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*[\"}]")

_CHARSETS = {None, "utf-8", "utf8", "us-ascii", "ascii"}


def events(request: web.Request) -> AsyncIterator[Event]:
    """Returns the fields of a form of our pages; none if the body is not a form.

    Raises `CompressedBody`, `MalformedBody`, `BodyTooSlow` or, if the body has more than `MAX_FORM` bytes whatever they
    are, `FileTooLarge`: at once or while the fields are read.
    """
    chunks = _counted(request, MAX_FORM, MAX_FORM)
    _check_encoding(request)
    media_type, options = _content_type(request)
    if options.get("charset", "utf-8").lower() not in _CHARSETS:
        raise MalformedBody("the form's charset is not UTF-8; send its text as UTF-8")
    if media_type == "multipart/form-data":
        return _multipart(chunks, options.get("boundary", ""))
    if media_type == "application/x-www-form-urlencoded":
        return _urlencoded(chunks)
    return _nothing()


class UploadBody:
    """The body of an upload, in whatever shape it comes. A bare picture is one file in the field `source`.

    It may have *most* bytes; an error names the limit *named*.
    """

    kind = UNKNOWN
    head = b""
    """The first bytes."""

    def __init__(self, request: web.Request, most: int, named: int) -> None:
        self._request = request
        self._most = most
        self._named = named

    async def events(self) -> AsyncGenerator[Event]:
        """Yields the fields; none if the kind of the body cannot be recognised.

        Raises `CompressedBody`, `MalformedBody`, `BodyTooSlow` or `FileTooLarge`.
        """
        counted = _counted(self._request, self._most, self._named)
        _check_encoding(self._request)
        media_type, options = _content_type(self._request)
        begun = [chunk async for chunk in _beginning(counted)]
        self.head = b"".join(begun)[: first_bytes.ENOUGH]
        boundary = self._judge(media_type, options.get("boundary", ""))
        charset = options.get("charset")
        whole = _chained(begun, counted)
        if self.kind == MULTIPART:
            fields = _multipart(whole, boundary, charset)
        elif self.kind == URLENCODED:
            fields = _urlencoded(whole, charset)
        elif self.kind == JSON:
            fields = _json(whole)
        else:
            fields = _file(whole) if self.kind == PICTURE else _nothing()
        async for event in fields:
            yield event

    def _judge(self, media_type: str, boundary: str) -> str:
        """Finds `kind`. Returns the boundary of a multipart body. Raises `MalformedBody` if it is lost."""
        lost = _LOST_BOUNDARY.match(self.head)
        is_multipart = media_type.startswith("multipart/")
        declared = self.head.lstrip(b"\r\n").startswith(b"--" + boundary.encode())
        if is_multipart and boundary and self.head and (declared or lost is None or not lost["next"]):
            self.kind = MULTIPART
            return boundary
        if lost is not None and (is_multipart or lost["next"]):
            self.kind = MULTIPART
            return lost["boundary"].decode("ascii")
        if is_multipart:
            if not self.head:
                return ""
            raise MalformedBody(
                "the Content-Type `multipart/form-data` came without its `boundary`, and the body does not begin with "
                "one; let your HTTP library set Content-Type"
            )
        if first_bytes.is_picture(self.head):
            self.kind = PICTURE
        elif _JSON_OBJECT.match(self.head):
            self.kind = JSON
        elif media_type == "application/x-www-form-urlencoded":
            self.kind = URLENCODED
        return ""


def _check_encoding(request: web.Request) -> None:
    """Raises `CompressedBody`."""
    coding = request.headers.get("Content-Encoding", "").strip()
    if coding.lower() not in NO_ENCODING:
        raise CompressedBody(coding[:20])


def _content_type(request: web.Request) -> tuple[str, dict[str, str]]:
    """Returns the media type and its options. Some clients forget the semicolon between them."""
    media_type, options = parse_options_header(request.headers.get("Content-Type", ""))
    plain, *lost = media_type.split(None, 1)[:2] or [""]
    if not lost:
        return plain, options
    return plain, parse_options_header(f"{plain}; {request.headers['Content-Type'].split(None, 1)[1]}")[1]


async def _beginning(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Yields the bytes that decide what the body is: `first_bytes.ENOUGH` bytes, or all of it."""
    size = 0
    while size < first_bytes.ENOUGH and (chunk := await anext(chunks, b"")):
        size += len(chunk)
        yield chunk


async def _chained(begun: list[bytes], chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    for chunk in begun:
        yield chunk
    begun.clear()
    async for chunk in chunks:
        yield chunk


async def _json(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Event]:
    body = JsonBody()
    async for chunk in chunks:
        for event in body.parse(chunk):
            yield event
    for event in body.parse(b"", last=True):
        yield event


async def _file(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Event]:
    yield Field("source", filename="")
    async for chunk in chunks:
        yield chunk
    yield None


async def _nothing() -> AsyncGenerator[Event]:
    return
    yield


def _counted(request: web.Request, most: int, named: int) -> AsyncIterator[bytes]:
    """Returns the bytes of the body. A multipart parser drops what stands around the parts, so they are counted here.

    Raises `FileTooLarge`, which names the limit *named*, beyond *most* bytes, `BodyTooSlow` if they come at less than
    `LEAST_RATE`, or `MalformedBody`: at once or while they are read.
    """
    if request.content_length is not None and request.content_length > most:
        raise FileTooLarge(named)
    return _count(_chunks(request), most, named)


async def _count(chunks: AsyncIterator[bytes], most: int, named: int) -> AsyncGenerator[bytes]:
    received, now = 0, asyncio.get_running_loop().time
    began = now()
    async for chunk in chunks:
        received += len(chunk)
        if received > most:
            raise FileTooLarge(named)
        if (now() - began - GRACE) * LEAST_RATE > received:
            raise BodyTooSlow
        yield chunk


async def _chunks(request: web.Request) -> AsyncGenerator[bytes]:
    """Yields the bytes of the body as they come. Raises `BodyTooSlow` or `MalformedBody`."""
    received, loop, body = 0, asyncio.get_running_loop(), request.content
    deadline = loop.time() + WINDOW
    try:
        while True:
            chunk = body.read_nowait()  # bytes are mostly there, and a deadline costs more than reading
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


class _Parser(PushMultipartParser):
    """Takes parts that a form should not have, but that cannot be mistaken.

    The length that a part declares is ignored (RFC 7578, 4.8): some clients send -1. A part that is declared an
    attachment, or nothing, is a field.
    """

    def _on_segment_headerline(self, line: bytes) -> None:
        if not line[:15].lower().startswith(b"content-length:"):
            super()._on_segment_headerline(line)

    def _create_segment(self, headerlist: list[tuple[str, str]]) -> MultipartSegment:
        headers = dict(headerlist)
        _, _, options = headers.get("Content-Disposition", "").partition(";")
        headers["Content-Disposition"] = f"form-data;{options}" if options else "form-data"
        return super()._create_segment([*headers.items()])


async def _multipart(chunks: AsyncIterator[bytes], boundary: str, charset: str | None = None) -> AsyncGenerator[Event]:
    try:
        # Headers as Latin-1, which takes any byte: clients send file names in every charset.
        parser = _Parser(boundary, max_segment_count=MAX_FIELDS, header_charset="latin-1")
        async for chunk in chunks:
            for event in parser.parse(chunk):
                yield _field(event, charset) if isinstance(event, MultipartSegment) else event
        parser.close()
    except MultipartError as error:
        raise MalformedBody(_malformed(str(error))) from error


def _malformed(reason: str) -> str:
    """Returns what the author of a client should change, from the parser's own *reason*."""
    if reason.startswith("Unexpected end"):
        return "the multipart body ends before its last line `--boundary--`; send it whole, with its length"
    if reason.startswith("Invalid line break"):
        return "the multipart body has lines that end in LF; end them in CR LF"
    if reason.startswith("Maximum segment count"):
        return f"the form has more than {MAX_FIELDS} fields; send one picture a request"
    return f"the multipart body is malformed ({reason}); let your HTTP library write it"


def _field(segment: MultipartSegment, charset: str | None) -> Field:
    return Field(
        name=_text(segment.name)[:MAX_FIELD_NAME],
        filename=_filename(segment),
        content_type=segment.content_type,
        charset=segment.charset or charset,
    )


def _filename(segment: MultipartSegment) -> str | None:
    """Returns the client's name of the file. .NET sends an extended form (RFC 5987) beside the plain one; it wins."""
    if extended := _EXTENDED_FILENAME.search(segment.header("Content-Disposition", "")):
        return unquoted(extended[2].encode("latin-1", "replace")).decode(extended[1], errors="replace")
    return None if segment.filename is None else _unescaped(_text(segment.filename))


def _unescaped(name: str) -> str:
    """Returns *name* percent-decoded if it is percent-encoded as a whole, as aiohttp's clients send it."""
    if "%" not in name or not _ESCAPED.fullmatch(name):
        return name
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return name


def _text(header: str) -> str:
    """Returns header text read as UTF-8, which browsers send, or as Latin-1 if it is not UTF-8."""
    raw = header.encode("latin-1", "replace")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return header


async def _urlencoded(chunks: AsyncIterator[bytes], charset: str | None = None) -> AsyncGenerator[Event]:
    parser = _UrlencodedParser(charset)
    async for chunk in chunks:
        for event in parser.parse(chunk):
            yield event
    for event in parser.end_of_field():
        yield event


class _UrlencodedParser:
    """Parses `name=value&…` and passes values on as they come: a picture in base64 is never whole in memory."""

    def __init__(self, charset: str | None) -> None:
        self._charset = charset
        self._name = b""
        self._in_value = False
        self._separators = 0

    def parse(self, chunk: bytes) -> Iterator[Event]:
        """Raises `MalformedBody` if there are too many fields or a name is too long."""
        self._separators += chunk.count(b"&")
        if self._separators >= MAX_FIELDS:  # empty fields count: each is a piece of work
            raise MalformedBody(f"the form has more than {MAX_FIELDS} fields")
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
        """Yields the end of the field that was begun. A name without a value is an empty field."""
        if self._in_value or self._name:
            if not self._in_value:
                yield self._begin()
            yield None
        self._name, self._in_value = b"", False

    def _begin(self) -> Field:
        self._in_value = True
        name = unquoted(self._name.replace(b"+", b" ")).decode(errors="replace")
        return Field(name, form_encoded=True, charset=self._charset)
