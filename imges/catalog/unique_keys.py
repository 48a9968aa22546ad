"""Ids of pictures and albums, and object keys, are never used again.

Their table holds keyed hashes. Of deleted pictures and albums nothing else stays.
"""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from hashlib import blake2b
from typing import Any, Literal

from sqlalchemy import Connection, Insert, LargeBinary, bindparam, insert, select

from imges.catalog.columns import RowNumber
from imges.catalog.dialects import skipping_insert
from imges.catalog.prepared import Prepared
from imges.catalog.tables import files, unique_keys
from imges.catalog.types import KeyTaken

Kind = Literal["id", "object key", "album"]
Derived = Literal["upload id", "delete token", "edit token"]

HASH_SIZE = 16
"""Bytes; two of 10^9 keys are the same with a probability of 10^-21."""


class KeyHashes:
    """Hashes under one *secret* of 32 bytes, which all nodes share. Kinds of one text have different hashes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, kind: Kind | Derived, text: str, size: int = HASH_SIZE) -> bytes:
        """Return the hash of *text*, *size* bytes long."""
        message = text.encode("utf-8", "surrogatepass")
        return blake2b(message, key=self._secret, person=kind.encode(), digest_size=size).digest()


def take(
    connection: Connection,
    number: int,
    wanted: Mapping[bytes, tuple[Kind, str]],
    stored: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Give the hashes *wanted* to the picture *number*, and insert the rows *stored* of its files.

    PostgreSQL does both in one statement, so that an upload waits for no further round trip.

    Raises `KeyTaken` for the first hash that is or was another picture's.
    """
    ordered = sorted(wanted)  # so that none deadlock
    values: dict[str, Any] = {f"hash{position}": key_hash for position, key_hash in enumerate(ordered)}
    values["number"] = number
    for position, row in enumerate(stored):
        values |= {f"{name}{position}": value for name, value in row.items()}
    if stored and connection.dialect.name == "sqlite":  # which has no INSERT in a WITH clause
        _files_insert(len(stored)).run(connection, values)
        stored = ()
    if _insert(len(ordered), len(stored)).run(connection, values).rowcount == len(ordered):
        return
    ours = select(unique_keys.c.hash).where(unique_keys.c.hash.in_(ordered), unique_keys.c.image == number)
    given = set(connection.scalars(ours))
    for key_hash, (kind, text) in wanted.items():
        if key_hash not in given:
            raise KeyTaken(kind, text)


@cache
def _insert(hashes: int, stored: int) -> Prepared:
    """Inserts so many hashes of one picture at once, except those that exist, and so many rows of files."""
    return Prepared(partial(_inserted, hashes, stored))


def _inserted(hashes: int, stored: int, dialect: str) -> Insert:
    image = bindparam("number", type_=RowNumber)
    rows = [{"hash": bindparam(f"hash{position}", type_=LargeBinary), "image": image} for position in range(hashes)]
    statement = skipping_insert(dialect, unique_keys).values(rows)
    return statement.add_cte(_files_inserted(stored).cte("stored")) if stored else statement


@cache
def _files_insert(stored: int) -> Prepared:
    return Prepared(lambda _: _files_inserted(stored))


def _files_inserted(stored: int) -> Insert:
    names = [column.name for column in files.columns]
    return insert(files).values(
        [
            {name: bindparam(f"{name}{position}", type_=files.c[name].type) for name in names}
            for position in range(stored)
        ]
    )
