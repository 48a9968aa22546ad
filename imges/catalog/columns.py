"""Column types that read and write the same in SQLite and PostgreSQL."""
# ruff: noqa: ARG002 (TypeDecorator hands every method the dialect; these types need none)

import json
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_OF_IPV4 = bytes(10) + b"\xff\xff"
"""The first bytes of an IPv4 address that is written as one of IPv6."""

RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""A primary key that counts up by itself. SQLite does that only for INTEGER."""


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 in UTC. A naive one raises `TypeError`."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Json(TypeDecorator[Any]):
    """Lists and dicts of texts, stored as JSON in ASCII. Its escapes hold a lone surrogate, database text cannot."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class Digest(TypeDecorator[str]):
    """A hex digest, kept as its bytes: half as long, also in the index."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else value.hex()


class Address(TypeDecorator[str]):
    """An IP address, stored as 16 bytes (IPv4 mapped into IPv6), so that a network is a range of the index."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else _packed(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        address = IPv6Address(value)
        return str(address.ipv4_mapped or address)


def _packed(address: str) -> bytes:
    """Return *address* as IPv6, without the zone. Raises `ValueError` if it is not an address."""
    found = ip_address(address.partition("%")[0])
    return _OF_IPV4 + found.packed if isinstance(found, IPv4Address) else found.packed
