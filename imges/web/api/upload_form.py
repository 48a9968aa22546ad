"""What an upload request says: its fields, and its pictures on the spool."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiohttp import web

from imges.access.disk import Room
from imges.errors import Base64ByGet, MalformedBody, NoSource
from imges.receiving.first_bytes import ENOUGH
from imges.receiving.intake import Intake, Received
from imges.receiving.spool import Spooled, SpoolWriter
from imges.receiving.text import Text, base64_text_limit, unquoted
from imges.web.api.body import UploadBody
from imges.web.api.form_fields import Field
from imges.web.api.upload_options import given

IMGBB = "image"
SOURCES = ("source", IMGBB, "file", "files")
"""Names of the fields that may hold the picture. The first one that is there counts; each may end in `[]`."""

PARAMETERS = {
    *("key", "format", "title", "description", "tags", "nsfw", "width", "expiration", "name"),
    *("album", "album_id", "album_token", "upload_id", "category_id", "action"),
}
"""Fields that never hold the picture."""

_SCHEME = re.compile(r"(?!data:)[A-Za-z][A-Za-z0-9+.-]*:", re.IGNORECASE)

MAX_TEXT = 64 * 1024
"""Bytes of all fields together that hold no picture."""

_LATIN = frozenset({"iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "windows-1252", "cp1252"})
"""Charsets that old HTTP libraries declare. Browsers read all of them as windows-1252."""


@dataclass(slots=True)
class UploadForm:
    """An upload as it was sent.

    *fields* are those of the query and the body; the body wins. *files* and *texts* lie on the spool, by the name of
    their field.
    """

    fields: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, tuple[Spooled, str]] = field(default_factory=dict[str, tuple[Spooled, str]])
    texts: dict[str, Text] = field(default_factory=dict[str, Text])
    by_imgbbs_path: bool = False
    """Whether the request came to ImgBB's path, which always answers in ImgBB's shape."""
    body: UploadBody | None = None
    filename: str = ""
    """The name of the picture, if the request says it and the picture's own part does not."""
    empty: list[str] = field(default_factory=list[str])
    """Names of the fields that might hold the picture, but hold nothing."""
    heads: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The first bytes of each file and text, to say what they are if they are no picture."""

    @classmethod
    def of_query(cls, request: web.Request, *, by_imgbbs_path: bool = False) -> "UploadForm":
        """Returns the form that the query string describes. An API call by GET has nothing else."""
        fields = {_plain(name): value for name, value in request.query.items()}
        return cls(fields=fields, by_imgbbs_path=by_imgbbs_path)

    async def read(self, request: web.Request, folder: Path, limit: int, room: Room) -> None:
        """Add the body, whose fields win over the query. Pictures of at most *limit* bytes are put below *folder*.

        *room* on the disk is promised before bytes are written.

        Raises `MalformedBody`, `CompressedBody`, `BodyTooSlow`, `FileTooLarge`, `DiskReserve`, `Busy` or
        `SpoolUnavailable`.
        """
        most = base64_text_limit(limit)
        reader, received, self.body = _FieldReader(self, folder, limit), 0, UploadBody(request, most, named=limit)
        async for event in self.body.events():
            if isinstance(event, Field):
                reader.begin(event)
            elif event is not None:
                received += len(event)
                if received > room.promised:
                    await room.extend(received)
                await reader.add(event)
            else:
                await reader.end()

    @property
    def format(self) -> str:
        """`json`, `txt`, `redirect` or `album`. If anything else was asked for, `json`."""
        asked = self.fields.get("format", "").strip().lower()
        return asked if asked in {"txt", "redirect", "album"} else "json"

    @property
    def is_imgbb(self) -> bool:
        """Whether the answer has ImgBB's shape: the picture came in ImgBB's field, or to ImgBB's path."""
        return self.by_imgbbs_path or self.source_name == IMGBB

    @property
    def source(self) -> str:
        """How the picture seems to be sent: `file`, `text` or, until the form has been read, `none`."""
        name = self.source_name
        return "none" if name is None else "file" if name in self.files else "text"

    @property
    def source_name(self) -> str | None:
        """The name of the field that holds the picture: a file, a text, or the only file of another name."""
        for held in (self.files, self.texts, self.fields):
            for name in SOURCES:
                if held.get(name):
                    return name
        return next(iter(self.files)) if len(self.files) == 1 else None

    async def receive(self, intake: Intake, folder: Path, *, by_get: bool) -> Received:
        """Returns the picture. A file wins over a text, the body over the query.

        Raises `NoSource`, `Base64ByGet`, and what `Intake.from_text` raises.
        """
        name = self.source_name
        if name is None and len(self.files) > 1:
            raise MalformedBody(f"{len(self.files)} files came, none of them as `source`; send one picture a request")
        if name is None:
            raise NoSource
        received = await self._received(name, intake, folder, by_get=by_get)
        if received.file.size == 0:
            raise NoSource
        return replace(received, name=given(self.fields, "name").strip() or received.name or self.filename)

    async def _received(self, name: str, intake: Intake, folder: Path, *, by_get: bool) -> Received:
        if name in self.files:
            return Received(*self.files[name], "file")
        if name in self.texts:
            return await intake.from_text(self.texts[name], folder)
        source = self.fields[name].strip()
        if not source:
            raise NoSource
        if _SCHEME.match(source):
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
        self._head = b""
        self._text_left = MAX_TEXT
        self._pictures = 0

    def begin(self, begun: Field) -> None:
        self._field, self._value, self._writer, self._head = begun, bytearray(), None, b""
        if _plain(begun.name) in SOURCES or (_is_picture(begun) and begun.name not in PARAMETERS):
            self._pictures += 1
            path = self._folder / f"field-{self._pictures}"
            most = self._limit if _is_file(begun) else base64_text_limit(self._limit)
            self._writer = SpoolWriter(path, most, told=self._limit)

    async def add(self, chunk: bytes) -> None:
        if self._writer is not None:
            await self._writer.write(chunk)
            if len(self._head) < ENOUGH:
                self._head += chunk[: ENOUGH - len(self._head)]
            return
        self._text_left -= len(chunk)
        if self._text_left < 0:
            raise MalformedBody("the fields of the form are too long")
        self._value += chunk

    async def end(self) -> None:
        name = _plain(self._field.name)
        if self._writer is None:
            self._form.fields[name] = decoded(self._field, bytes(self._value))
            return
        spooled = await self._writer.finish(may_wait=_is_file(self._field) and self._pictures == 1)
        self._form.heads[name] = self._head
        if not spooled.size:  # a browser sends an empty file if none was chosen
            self._form.empty.append(name)
        elif not _is_file(self._field):
            self._form.texts[name] = Text(spooled.path, self._field.form_encoded)
        elif name in self._form.files:
            raise MalformedBody(f"two files came as `{name[:40]}`; send one picture a request")
        else:
            self._form.files[name] = (spooled, self._field.filename or "")


def _is_file(part: Field) -> bool:
    return part.filename is not None or (part.content_type or "text/plain") != "text/plain"


def _is_picture(part: Field) -> bool:
    """Whether *part* is a file by any name: it has a file's name, or says that it is a picture."""
    kind = part.content_type or ""
    return part.filename is not None or kind.startswith("image/") or kind == "application/octet-stream"


def _plain(name: str) -> str:
    """Returns *name* without PHP's array brackets: `files[]` is `files` for us."""
    return name.removesuffix("[]") if name.removesuffix("[]") in SOURCES else name


def decoded(part: Field, value: bytes) -> str:
    """Returns *value* as UTF-8; else in the charset that was declared, if it is Latin. Raises `MalformedBody`."""
    raw = unquoted(value.replace(b"+", b" ")) if part.form_encoded else value
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        if (part.charset or "").lower() in _LATIN:
            return raw.decode("windows-1252", "replace")
        raise MalformedBody(
            f"the field {part.name[:40]!r} is not UTF-8; send text as UTF-8, or declare `charset=ISO-8859-1`"
        ) from error
