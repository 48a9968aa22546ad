"""What goes into a storage, and how a storage describes it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

LATEST = 2**37
"""The latest time of a file that `moment_of` keeps, in seconds since 1970: some four thousand years."""


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What a place knows about one object.

    *size* is in bytes, *modified* in UTC. *media_type* and *etag* are `None` if the place does not keep them.
    """

    size: int
    modified: datetime
    media_type: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """One object that a scan found: *size* in bytes, *modified* in UTC."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Address:
    """An address that we may send a client to. It is valid for *lifetime*; `None`: for good."""

    url: str
    lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to be stored: all of *file* under the new *key*. *expires* is when its picture ends (UTC)."""

    key: str
    file: Path
    media_type: str
    expires: datetime | None = None


def moment_of(seconds: float) -> datetime:
    """The time of a file, *seconds* since 1970, as a UTC time between 1970 and `LATEST`.

    File systems hold times that `datetime` cannot: before the year 1, and long after the year 9999.
    """
    return datetime.fromtimestamp(min(max(seconds, 0), LATEST), UTC)
