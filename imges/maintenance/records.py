"""What is known of a picture beside its file: a line of an export, or a row of another program's dump."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Self, TypeVar

from imges.catalog import Image
from imges.maintenance.scratch import Scratch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """What the row is to say; `None`: not known. *number* stands for an id that is still to be encoded."""

    id: str | None = None
    number: int | None = None
    created: datetime | None = None
    expires: datetime | None = None
    original_filename: str | None = None
    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    nsfw: bool = False
    views: int = 0
    api_key: str | None = None
    address: str | None = None
    delete_token_hash: bytes | None = None
    exif: dict[str, str] | None = None
    md5: str | None = None
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

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        """Names that are not known are left out. Raises: ValueError, TypeError for what `to_json` did not write."""
        known = {field.name for field in fields(cls)}
        found = {name: value for name, value in given.items() if name in known}
        for name in ("created", "expires"):
            if name in found:
                found[name] = datetime.fromisoformat(found[name])
        if "delete_token_hash" in found:
            found["delete_token_hash"] = bytes.fromhex(found["delete_token_hash"])
        return replace(cls(**found), tags=tuple(found.get("tags", ())))


class Records(Scratch):
    """Records by the key of the original: there may be millions."""

    SCHEMA = "CREATE TABLE records (key TEXT PRIMARY KEY, record TEXT, used INTEGER) WITHOUT ROWID;"

    async def fill(self, read: Callable[[Callable[[str, Record], None]], T]) -> T:
        """The result of *read*, which calls what it gets with each key and record; in a thread."""

        def put(key: str, record: Record) -> None:
            row = (key, json.dumps(record.to_json()))
            self._database.execute("INSERT OR REPLACE INTO records VALUES (?, ?, 0)", row)

        return await self._in_transaction(lambda: read(put))

    async def get(self, key: str) -> Record | None:
        """The record of *key*, which is used with that."""
        statement = "UPDATE records SET used = 1 WHERE key = ? RETURNING record"
        found = await self._run(lambda: self._database.execute(statement, (key,)).fetchall())
        return Record.from_json(json.loads(found[0][0])) if found else None

    async def unused(self) -> int:
        """How many records nobody has asked for."""
        (count,) = await self._run(
            lambda: self._database.execute("SELECT count(*) FROM records WHERE NOT used").fetchone()
        )
        return count
