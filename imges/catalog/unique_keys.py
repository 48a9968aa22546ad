"""Ids and object keys are never used again; the table of them holds keyed hashes, of deleted pictures nothing else."""

from collections.abc import Mapping
from functools import cache, partial
from hashlib import blake2b
from typing import Literal

from sqlalchemy import Connection, Insert, LargeBinary, bindparam, select

from imges.catalog.columns import RowNumber
from imges.catalog.dialects import skipping_insert
from imges.catalog.prepared import Prepared
from imges.catalog.tables import unique_keys
from imges.catalog.types import KeyTaken

Kind = Literal["id", "object key"]

HASH_SIZE = 16
"""Bytes; two of 10^9 keys are the same with a probability of 10^-21."""


class KeyHashes:
    """The hashes of ids and object keys under one *secret* of 32 bytes, which all nodes share."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, kind: Kind, text: str) -> bytes:
        person, message = (
            kind.encode(),
            text.encode("utf-8", "surrogatepass"),
        )  # an id and an object key of the same text are not the same
        return blake2b(message, key=self._secret, person=person, digest_size=HASH_SIZE).digest()


def take(connection: Connection, number: int, wanted: Mapping[bytes, tuple[Kind, str]]) -> None:
    """Give the hashes *wanted* to the picture *number*. Raises: KeyTaken for the first that is or was another's."""
    ordered = sorted(wanted)  # so that none deadlock
    values = {f"hash{position}": key_hash for position, key_hash in enumerate(ordered)}
    if _insert(len(ordered)).run(connection, {**values, "image": number}).rowcount == len(ordered):
        return
    ours = select(unique_keys.c.hash).where(unique_keys.c.hash.in_(ordered), unique_keys.c.image == number)
    given = set(connection.scalars(ours))
    for key_hash, (kind, text) in wanted.items():
        if key_hash not in given:
            raise KeyTaken(kind, text)


@cache
def _insert(count: int) -> Prepared:
    """Puts in *count* hashes of one picture at once, but those that are there."""
    return Prepared(partial(_inserted, count))


def _inserted(count: int, dialect: str) -> Insert:
    image = bindparam("image", type_=RowNumber)
    rows = [{"hash": bindparam(f"hash{position}", type_=LargeBinary), "image": image} for position in range(count)]
    return skipping_insert(dialect, unique_keys).values(rows)
