"""What an upload request says: its fields, and its pictures on the spool."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

from aiohttp import web

from imges.access import Room
from imges.errors import Base64ByGet, FileTooLarge, MalformedBody, NoSource
from imges.intake import Intake, Received, Spooled, SpoolWriter, Text, base64_text_limit
from imges.web.body import Field, events

IMGBB = "image"
SOURCES = ("source", IMGBB, "file", "files")
"""The names that a picture may come under, the first that has one counts; each also with `[]` behind it."""

MAX_TEXT = 64 * 1024
"""Bytes of all fields together that are no picture."""


@dataclass(slots=True)
class UploadForm:
    """An upload as it was sent.

    *fields* of the body, else of the query; *files* and *texts* by the name of their field, still on the spool.
    """

    fields: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, tuple[Spooled, str]] = field(default_factory=dict[str, tuple[Spooled, str]])
    texts: dict[str, Text] = field(default_factory=dict[str, Text])

    @classmethod
    def of_query(cls, request: web.Request) -> "UploadForm":
        """What the query string says; an API call by GET is nothing else."""
        return cls(fields={_plain(name): value for name, value in request.query.items()})

    async def read(self, request: web.Request, folder: Path, limit: int, room: Room) -> None:
        """Add the body, which wins over the query: pictures below *folder*, of *limit* bytes at most.

        What comes is promised *room* on the disk before it is written.

        Raises: MalformedBody, CompressedBody, BodyTooSlow, FileTooLarge, DiskReserve, Busy, SpoolUnavailable.
        """
        most = base64_text_limit(limit)
        if request.content_length is not None and request.content_length > most:
            raise FileTooLarge(limit)
        reader, received = _FieldReader(self, folder, limit), 0
        async for event in events(request):
            if isinstance(event, Field):
                reader.begin(event)
            elif event is not None:
                received += len(event)
                if received > most:
                    raise FileTooLarge(limit)
                if received > room.promised:
                    await room.extend(received)
                await reader.add(event)
            else:
                await reader.end()

    @property
    def format(self) -> str:
        """`json`, `txt` or `redirect`; `json` also for what is none of them."""
        asked = self.fields.get("format", "").strip().lower()
        return asked if asked in {"txt", "redirect"} else "json"

    @property
    def is_imgbb(self) -> bool:
        """Whether the picture came in by ImgBB's field, so that the answer has ImgBB's shape."""
        return self._source_name() == IMGBB

    @property
    def source(self) -> str:
        """How the picture seems to be sent: `file`, `text` or, until the form has been read, `none`."""
        name = self._source_name()
        return "none" if name is None else "file" if name in self.files else "text"

    def _source_name(self) -> str | None:
        for held in (self.files, self.texts, self.fields):
            for name in SOURCES:
                if name in held:
                    return name
        return None

    async def receive(self, intake: Intake, folder: Path, *, by_get: bool) -> Received:
        """The picture, whichever way it came: a file beats a text, the body the query.

        Raises: NoSource, Base64ByGet, and what `Intake.from_text` raises.
        """
        name = self._source_name()
        if name is None:
            raise NoSource
        received = await self._received(name, intake, folder, by_get=by_get)
        if received.file.size == 0:
            raise NoSource
        return replace(received, name=self.fields.get("name", "").strip() or received.name)

    async def _received(self, name: str, intake: Intake, folder: Path, *, by_get: bool) -> Received:
        if name in self.files:
            return Received(*self.files[name], "file")
        if name in self.texts:
            return await intake.from_text(self.texts[name], folder)
        source = self.fields[name].strip()
        if not source:
            raise NoSource
        if re.match(r"(?!data:)[A-Za-z][A-Za-z0-9+.-]*:", source, re.IGNORECASE):
            return await intake.from_address(source, folder)
        if by_get:
            raise Base64ByGet
        writer = SpoolWriter(folder / "text", MAX_TEXT)
        await writer.write(source.encode("utf-8", "replace"))
        return await intake.from_text(Text((await writer.finish()).path), folder)


class _FieldReader:
    """Puts one field after the other where it belongs: pictures on the spool, the rest into `UploadForm.fields`."""

    def __init__(self, form: UploadForm, folder: Path, limit: int) -> None:
        self._form = form
        self._folder = folder
        self._limit = limit
        self._field = Field("")
        self._writer: SpoolWriter | None = None
        self._value = bytearray()
        self._text_left = MAX_TEXT
        self._pictures = 0

    def begin(self, begun: Field) -> None:
        self._field, self._value, self._writer = begun, bytearray(), None
        if _plain(begun.name) in SOURCES:
            self._pictures += 1
            path = self._folder / f"field-{self._pictures}"
            most = self._limit if _is_file(begun) else base64_text_limit(self._limit)
            self._writer = SpoolWriter(path, most, told=self._limit)

    async def add(self, chunk: bytes) -> None:
        if self._writer is not None:
            await self._writer.write(chunk)
            return
        self._text_left -= len(chunk)
        if self._text_left < 0:
            raise MalformedBody("the fields of the form are too long")
        self._value += chunk

    async def end(self) -> None:
        name = _plain(self._field.name)
        if self._writer is None:
            self._form.fields[name] = _decoded(self._field, bytes(self._value))
            return
        spooled = await self._writer.finish(may_wait=_is_file(self._field))
        if not _is_file(self._field):
            self._form.texts[name] = Text(spooled.path, self._field.form_encoded)
        elif spooled.size or self._field.filename:  # a browser sends an empty file where none was chosen
            if name in self._form.files:
                raise MalformedBody("send one picture a request")
            self._form.files[name] = (spooled, self._field.filename or "")


def _is_file(part: Field) -> bool:
    return part.filename is not None or (part.content_type or "text/plain") != "text/plain"


def _plain(name: str) -> str:
    """The name without PHP's array brackets: `files[]` is `files` for us."""
    return name.removesuffix("[]") if name.removesuffix("[]") in SOURCES else name


def _decoded(part: Field, value: bytes) -> str:
    """Raises: MalformedBody."""
    raw = unquote_to_bytes(value.replace(b"+", b" ")) if part.form_encoded else value
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the field {part.name[:40]!r} is not UTF-8") from error
