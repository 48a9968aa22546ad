"""The records of a ZIP archive whose entries are stored as they are, by PKWARE's APPNOTE 6.3.10.

Each entry has its size and CRC-32 in front, so the length of the archive is known before its first byte, and readers
that do not seek (Java's `ZipInputStream`) can read it. `zipfile` writes both behind the data if it cannot seek.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

MOST = 0xFFFFFFFF
"""A field of 4 bytes with this value says that the value itself stands in the ZIP64 extra field."""

MOST_ENTRIES = 0xFFFF

PLAIN, ZIP64 = 20, 45
"""The version of the format that a reader needs: 2.0, or 4.5 with ZIP64 (section 4.4.3)."""

UTF8 = 0x800
"""The flag for names in UTF-8 (section 4.4.4)."""

UNIX = 3 << 8
REGULAR = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive: its *name*, its *size* in bytes, its CRC-32, and when it was *modified*."""

    name: str
    size: int
    crc32: int
    modified: datetime

    @property
    def head(self) -> bytes:
        """The record before the data (section 4.3.7)."""
        extra = _extra([self.size, self.size]) if self.size >= MOST else b""
        size = min(self.size, MOST)
        return (
            struct.pack("<IH", 0x04034B50, ZIP64 if extra else PLAIN) + self._shared(size, extra) + self._name + extra
        )

    def listed(self, offset: int) -> bytes:
        """The record in the directory of the archive; *offset* is where `head` stands (section 4.3.12)."""
        large = [self.size, self.size] if self.size >= MOST else []
        extra = _extra([*large, offset] if offset >= MOST else large) if large or offset >= MOST else b""
        version = ZIP64 if extra else PLAIN
        return (
            struct.pack("<IHH", 0x02014B50, UNIX | version, version)
            + self._shared(min(self.size, MOST), extra)
            + struct.pack("<HHHII", 0, 0, 0, REGULAR, min(offset, MOST))
            + self._name
            + extra
        )

    @property
    def _name(self) -> bytes:
        return self.name.encode("utf-8", "replace")

    def _shared(self, size: int, extra: bytes) -> bytes:
        moment = self.modified
        day = (min(max(moment.year, 1980), 2107) - 1980) << 9 | moment.month << 5 | moment.day
        time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
        return struct.pack("<HHHHIIIHH", UTF8, 0, time, day, self.crc32, size, size, len(self._name), len(extra))


def _extra(values: Sequence[int]) -> bytes:
    """The ZIP64 extra field (section 4.5.3)."""
    return struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values)


def end(entries: int, size: int, offset: int) -> bytes:
    """The records behind a directory of *entries* and *size* bytes at *offset* (sections 4.3.14 to 4.3.16)."""
    large = b""
    if entries >= MOST_ENTRIES or size >= MOST or offset >= MOST:
        large = struct.pack(
            "<IQHHIIQQQQ", 0x06064B50, 44, UNIX | ZIP64, ZIP64, 0, 0, entries, entries, size, offset
        ) + struct.pack("<IIQI", 0x07064B50, 0, offset + size, 1)
    count = min(entries, MOST_ENTRIES)
    return large + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, min(size, MOST), min(offset, MOST), 0)
