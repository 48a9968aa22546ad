"""Ids and object keys are never used again; the table of them holds keyed hashes, of deleted pictures nothing else."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal

from sqlalchemy import Connection

from imges.catalog.dialects import insert_or_skip
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
    rows = [{"hash": key_hash, "image": number} for key_hash in sorted(wanted)]  # one order, so that none deadlock
    given = set(connection.scalars(insert_or_skip(connection, unique_keys), rows))
    for key_hash, (kind, text) in wanted.items():
        if key_hash not in given:
            raise KeyTaken(kind, text)
