"""What is recorded about a picture beside its file, from a line of an export or a row of another host's dump."""

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter, ValidationError

from imges.catalog import Image, OldAddress, Shows
from imges.errors import ImgesError
from imges.maintenance.temporary_database import TemporaryDatabase
from imges.pictures.lifetimes import LAST_END

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


def digest_bytes(value: object) -> bytes:
    """Returns the bytes that *value* names in hex. Raises `ValueError` if it does not."""
    if not isinstance(value, str):
        raise ValueError("Input should be text")  # noqa: TRY004  (pydantic's own rule)
    return bytes.fromhex(value)


Text = Annotated[str, AfterValidator(_text)]
Moment = Annotated[datetime, PlainValidator(_moment)]
End = Annotated[datetime, PlainValidator(_end)]


@dataclass(frozen=True, slots=True)
class Record:
    """What the new row says; `None`: not known. *old_addresses* are paths, and what each shows.

    `from_json` checks the types: every record that it returns fits into the catalog, and can be shown.
    """

    id: Text | None = None
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
    delete_token_hash: Annotated[bytes, PlainValidator(digest_bytes)] | None = None
    exif: dict[Text, Text] | None = None
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    """Of the original."""
    old_addresses: tuple[tuple[Text, Shows], ...] = ()

    @classmethod
    def of(cls, image: Image, old: Iterable[OldAddress] = ()) -> Self:
        """Returns what the row of *image* says and its file does not, with its *old* addresses."""
        names = {field.name for field in fields(cls)} - {"md5", "old_addresses"}
        addresses = tuple((each.path, each.shows) for each in old)
        said = {name: getattr(image, name) for name in names}
        return cls(md5=image.original.md5, old_addresses=addresses, **said)

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


class LeftOut(ImgesError):
    """The list or the dump says why the file must not come in."""


class Notes:
    """Stores what a list or a dump knows, by the names of files; see `Records.fill`. Used in one thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def put(self, name: str, record: Record) -> None:
        """Store the *record* of the file *name*. Raises `NotARecord` if `Record.from_json` would refuse it."""
        text = json.dumps(record.to_json())
        Record.from_json(text)
        self._put(name, text, None, record.id)

    def refuse(self, name: str, reason: str) -> None:
        """Store that the file *name* must not come in, and why."""
        self._put(name, None, reason, None)

    def refuse_unreadable(self, name: str) -> None:
        """Store that what is known about the file *name* could not be read."""
        self.refuse(name, "what the list or dump says about it makes no sense")

    def has(self, name: str) -> bool:
        """Returns whether there is anything about the file *name*."""
        return self._database.execute("SELECT 1 FROM records WHERE name = ?", (name,)).fetchone() is not None

    def also_at(self, name: str, address: OldAddress) -> None:
        """Store one more old address of the file *name*."""
        self._database.execute("INSERT INTO addresses VALUES (?, ?, ?, 0)", (name, address.path, address.shows))

    def _put(self, name: str, text: str | None, reason: str | None, identity: str | None) -> None:
        self._database.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, 0)", (name, text, reason, identity))


class Records(TemporaryDatabase):
    """What is known about pictures, by the names of their files. There may be millions.

    The name is the path below the folder that is imported. In a tree of date folders it is the original's key.
    """

    SCHEMA = """
    CREATE TABLE records (name TEXT PRIMARY KEY, record TEXT, reason TEXT, id TEXT, used INTEGER) WITHOUT ROWID;
    CREATE INDEX records_id ON records (id) WHERE id IS NOT NULL;
    CREATE TABLE addresses (name TEXT, path TEXT, shows TEXT, used INTEGER);
    CREATE INDEX addresses_name ON addresses (name);
    CREATE INDEX addresses_path ON addresses (path);
    """

    async def fill(self, read: Callable[[Notes], T]) -> T:
        """Calls *read* in a thread with the `Notes` to write into, and returns its result."""
        return await self._in_transaction(lambda: read(Notes(self._database)))

    async def get(self, name: str) -> Record | None:
        """Returns the record of the file *name*, and marks it as used. Raises `LeftOut` if the file must not come in.

        Its old addresses are all that were stored.
        """
        return await self._run(lambda: self._get(name, use=True))

    async def peek(self, name: str) -> Record | None:
        """Returns the record like `get`, but does not mark it."""
        return await self._run(lambda: self._get(name, use=False))

    def _get(self, name: str, *, use: bool) -> Record | None:
        if use:
            self._database.execute("UPDATE records SET used = 1 WHERE name = ?", (name,))
            self._database.execute("UPDATE addresses SET used = 1 WHERE name = ?", (name,))
        found = self._database.execute("SELECT record, reason FROM records WHERE name = ?", (name,)).fetchone()
        record, reason = found or (None, None)
        if reason is not None:
            raise LeftOut(reason)
        statement = "SELECT path, shows FROM addresses WHERE name = ? ORDER BY rowid"
        also = tuple((path, Shows(shows)) for path, shows in self._database.execute(statement, (name,)))
        if record is None:
            return Record(old_addresses=also) if also else None
        known = Record.from_json(record)
        return replace(known, old_addresses=known.old_addresses + also)

    async def named(self, *, identity: str | None = None, path: str | None = None) -> str | None:
        """Returns the name of the file whose record has this id, or that has the old address *path*."""
        by_id, by_path = "SELECT name FROM records WHERE id = ?", "SELECT name FROM addresses WHERE path = ?"
        statement, value = (by_id, identity) if path is None else (by_path, path)
        found = await self._run(lambda: self._database.execute(statement, (value,)).fetchone())
        return found and found[0]

    async def unused(self) -> int:
        """Returns how many files were never asked for, without those that were left out, which were reported."""
        statement = """
            SELECT count(*) FROM (
                SELECT name FROM records WHERE NOT used AND record IS NOT NULL
                UNION SELECT name FROM addresses WHERE NOT used
            )
        """
        (count,) = await self._run(lambda: self._database.execute(statement).fetchone())
        return count
