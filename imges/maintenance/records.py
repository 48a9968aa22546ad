"""What is known of a picture beside its file: a line of an export, or a row of another program's dump."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter, ValidationError

from imges.catalog import Image
from imges.errors import ImgesError
from imges.maintenance.scratch import Scratch
from imges.service import LAST_END

T = TypeVar("T")

FIRST = datetime(1000, 1, 1, tzinfo=UTC)
"""No picture is older: before, a year has fewer than four digits, and the calendar soon ends."""

MOST_VIEWS = 10**12
"""Of one picture: the catalog adds up those of all."""


class NotARecord(ValueError):
    """What no export wrote; says of which name it is wrong."""

    @classmethod
    def of(cls, error: ValidationError) -> Self:
        first = error.errors(include_url=False, include_input=False)[0]
        where = f"{first['loc'][0]}: " if first["loc"] else ""  # a name of ours; what is below may be any text
        return cls(f"{where}{first['msg']}")


def is_in_bounds(moment: datetime) -> bool:
    """Whether *moment* has a day in every time zone, so that it can be shown, compared and counted with."""
    return FIRST <= moment < LAST_END


def _text(text: str) -> str:
    """Raises: ValueError for what no database keeps; half a surrogate is no JSON to begin with."""
    if "\0" in text:
        raise ValueError("Input should be text without NUL")
    return text


def _read_moment(value: Any) -> datetime:
    """In UTC. Raises: ValueError."""
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise ValueError("Input should be a moment such as 2014-06-04T10:00:00+00:00") from None
    if moment.tzinfo is None:
        raise ValueError("Input should have a time zone")
    if not FIRST <= moment < datetime.max.replace(tzinfo=UTC):
        raise ValueError("Input should be in a year of the calendar, from 1000 on")
    return moment.astimezone(UTC)


def _moment(value: object) -> datetime:
    moment = _read_moment(value)
    if not is_in_bounds(moment):
        raise ValueError(f"Input should be before the year {LAST_END.year}")
    return moment


def _end(value: object) -> datetime:
    """Other programs write the last day of the calendar for "never"."""
    return min(_read_moment(value), LAST_END)


def _digest_bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("Input should be text")  # noqa: TRY004  (pydantic's own rule)
    return bytes.fromhex(value)


Text = Annotated[str, AfterValidator(_text)]
Moment = Annotated[datetime, PlainValidator(_moment)]
End = Annotated[datetime, PlainValidator(_end)]


@dataclass(frozen=True, slots=True)
class Record:
    """What the row is to say; `None`: not known. *number* stands for an id that is still to be encoded.

    The types are what `from_json` takes: whatever it gives fits into the catalog, and can be shown.
    """

    id: Text | None = None
    number: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    created: Moment | None = None
    expires: End | None = None
    original_filename: Text | None = None
    title: Text | None = None
    description: Text | None = None
    tags: tuple[Text, ...] = ()
    nsfw: bool = False
    views: Annotated[int, Field(ge=0, le=MOST_VIEWS)] = 0
    api_key: Text | None = None
    address: Text | None = None
    delete_token_hash: Annotated[bytes, PlainValidator(_digest_bytes)] | None = None
    exif: dict[Text, Text] | None = None
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    """Of the original."""

    @classmethod
    def of(cls, image: Image) -> Self:
        """All that the row of *image* says which its file does not."""
        names = {field.name for field in fields(cls)} - {"number", "md5"}
        return cls(md5=image.original.md5, **{name: getattr(image, name) for name in names})

    def to_json(self) -> dict[str, Any]:
        found = {name: value for name, value in asdict(self).items() if value not in (None, (), False)}
        for name in ("created", "expires"):
            if name in found:
                found[name] = found[name].isoformat()
        if self.delete_token_hash is not None:
            found["delete_token_hash"] = self.delete_token_hash.hex()
        return found

    @staticmethod
    def from_json(text: str | bytes) -> "Record":
        """Names that are not known are left out. Raises: NotARecord for what `to_json` did not write."""
        try:
            return _RECORD.validate_json(text, strict=True)
        except ValidationError as error:
            raise NotARecord.of(error) from error


@dataclass(frozen=True, slots=True)
class _Keyed:
    key: Text


_RECORD = TypeAdapter(Record)
_KEYED = TypeAdapter(_Keyed)


def read_line(line: bytes) -> tuple[str, Record]:
    """The key of an original, and what the *line* of an export tells of it. Raises: NotARecord."""
    try:
        key = _KEYED.validate_json(line, strict=True).key
    except ValidationError as error:
        raise NotARecord.of(error) from error
    return key, Record.from_json(line)


def likely_key(line: bytes) -> str | None:
    """Which original a *line* is of that no export wrote, as far as that can be read."""
    try:
        match json.loads(line.decode(errors="replace")):
            case {"key": str(key)} if key.isprintable() and "\ufffd" not in key:
                return key
            case _:
                return None
    except (ValueError, RecursionError):
        return None


Put = Callable[[str, Record | None], None]


class Spoilt(ImgesError):
    def __init__(self) -> None:
        super().__init__("what the list or dump tells of it makes no sense")


class Records(Scratch):
    """Records by the key of the original: there may be millions. `NULL`: it is spoilt, and what it was is not known."""

    SCHEMA = "CREATE TABLE records (key TEXT PRIMARY KEY, record TEXT, used INTEGER) WITHOUT ROWID;"

    async def fill(self, read: Callable[[Put], T]) -> T:
        """The result of *read*, which calls what it gets with each key and record, `None` for one that is spoilt.

        In a thread. What it calls raises: NotARecord for a record of which `from_json` would.
        """

        def put(key: str, record: Record | None) -> None:
            text = record and json.dumps(record.to_json())
            if text:
                Record.from_json(text)
            self._database.execute("INSERT OR REPLACE INTO records VALUES (?, ?, 0)", (key, text))

        return await self._in_transaction(lambda: read(put))

    async def get(self, key: str) -> Record | None:
        """The record of *key*, which is used with that. Raises: Spoilt."""
        statement = "UPDATE records SET used = 1 WHERE key = ? RETURNING record"
        found = await self._run(lambda: self._database.execute(statement, (key,)).fetchall())
        if not found:
            return None
        if found[0][0] is None:
            raise Spoilt
        return Record.from_json(found[0][0])

    async def unused(self) -> int:
        """How many records nobody has asked for; of spoilt ones was told."""
        statement = "SELECT count(*) FROM records WHERE NOT used AND record IS NOT NULL"
        (count,) = await self._run(lambda: self._database.execute(statement).fetchone())
        return count
