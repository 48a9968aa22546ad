"""What is recorded about a picture beside its file, from a line of an export or a row of another program's dump."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter, ValidationError

from imges.catalog import Image
from imges.errors import ImgesError
from imges.maintenance.temporary_database import TemporaryDatabase
from imges.pictures.storing import LAST_END

T = TypeVar("T")

FIRST = datetime(1000, 1, 1, tzinfo=UTC)
"""No picture is older. Earlier years have fewer than four digits, and the calendar ends soon before them."""

MOST_VIEWS = 10**12
"""The most views of one picture: the catalog adds up those of all, and must not overflow."""


class NotARecord(ValueError):
    """The line was not written by an export. The message says which name has a wrong value."""

    @classmethod
    def of(cls, error: ValidationError) -> Self:
        first = error.errors(include_url=False, include_input=False)[0]
        where = f"{first['loc'][0]}: " if first["loc"] else ""  # a name of ours; names below it may be any text
        return cls(f"{where}{first['msg']}")


def is_in_bounds(moment: datetime) -> bool:
    """Returns whether *moment* exists in every time zone, so that it can be shown and compared."""
    return FIRST <= moment < LAST_END


def _text(text: str) -> str:
    """Raises `ValueError` if a database cannot store *text*. (Half a surrogate is no JSON, and never arrives here.)"""
    if "\0" in text:
        raise ValueError("Input should be text without NUL")
    return text


def _read_moment(value: Any) -> datetime:
    """Returns the moment in UTC. Raises `ValueError` if *value* is none, or has no time zone."""
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
    """Like `_read_moment`, but a later moment becomes `LAST_END`: other programs write the last day for "never"."""
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
    """What the new row says; `None`: not known. *number* is a Chevereto's, and its id is still to be encoded.

    `from_json` checks the types: every record that it returns fits into the catalog, and can be shown.
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
        """Returns what the row of *image* says and its file does not."""
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
        """Ignores unknown names. Raises `NotARecord` if `to_json` did not write *text*."""
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
    """Returns the key of an original and its record. Raises `NotARecord` if no export wrote *line*."""
    try:
        key = _KEYED.validate_json(line, strict=True).key
    except ValidationError as error:
        raise NotARecord.of(error) from error
    return key, Record.from_json(line)


def likely_key(line: bytes) -> str | None:
    """Returns the key in a *line* that is no record; `None` if none can be read."""
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
    """The record of this key could not be read."""

    def __init__(self) -> None:
        super().__init__("what the list or dump says about it makes no sense")


class Records(TemporaryDatabase):
    """Records by the key of the original. There may be millions. `NULL` stands for a record that could not be read."""

    SCHEMA = "CREATE TABLE records (key TEXT PRIMARY KEY, record TEXT, used INTEGER) WITHOUT ROWID;"

    async def fill(self, read: Callable[[Put], T]) -> T:
        """Calls *read* in a thread with a function that stores a key and its record, and returns the result of *read*.

        The record is `None` if it could not be read. The function raises `NotARecord` for a record that `from_json`
        would refuse.
        """

        def put(key: str, record: Record | None) -> None:
            text = record and json.dumps(record.to_json())
            if text:
                Record.from_json(text)
            self._database.execute("INSERT OR REPLACE INTO records VALUES (?, ?, 0)", (key, text))

        return await self._in_transaction(lambda: read(put))

    async def get(self, key: str) -> Record | None:
        """Returns the record of *key*, and marks it as used. Raises `Spoilt` if it could not be read."""
        statement = "UPDATE records SET used = 1 WHERE key = ? RETURNING record"
        found = await self._run(lambda: self._database.execute(statement, (key,)).fetchall())
        if not found:
            return None
        if found[0][0] is None:
            raise Spoilt
        return Record.from_json(found[0][0])

    async def unused(self) -> int:
        """Returns how many records nobody has asked for, without the unreadable ones, which were reported."""
        statement = "SELECT count(*) FROM records WHERE NOT used AND record IS NOT NULL"
        (count,) = await self._run(lambda: self._database.execute(statement).fetchone())
        return count
