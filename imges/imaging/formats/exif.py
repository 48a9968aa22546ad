"""EXIF as far as it concerns display: the orientation. Read from hostile bytes, and written as a minimal block."""

import struct

ORIENTATION = 0x0112
SHORT, LONG = 3, 4
MOST_ENTRIES = 1000
MOST_VALUES = 16
"""Values of one tag that are read; none that we ask for has more."""


def first_directory(tiff: bytes) -> dict[int, tuple[int, ...]]:
    """The SHORT and LONG tags of the first directory of a TIFF structure (TIFF 6.0, section 2).

    Raises: struct.error where it runs off the end, ValueError for what is no TIFF or has a tag twice.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        raise ValueError("no TIFF header")
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(min(entries, MOST_ENTRIES)):
        tag, kind, count = struct.unpack_from(order + "HHI", tiff, start + 2 + 12 * entry)
        if tag in tags:
            raise ValueError("a tag stands twice")
        if kind in (SHORT, LONG) and count:
            tags[tag] = _values(tiff, order, kind, count, start + 10 + 12 * entry)
    return tags


def _values(tiff: bytes, order: str, kind: int, count: int, at: int) -> tuple[int, ...]:
    """The values stand in the entry itself, at *at*, when they fit into its four bytes, else where it points to."""
    size = 2 if kind == SHORT else 4
    if count * size > 4:
        (at,) = struct.unpack_from(order + "I", tiff, at)
    return struct.unpack_from(f"{order}{min(count, MOST_VALUES)}{'H' if kind == SHORT else 'I'}", tiff, at)


def orientation(tiff: bytes) -> int:
    """1 to 8; what is missing, broken or made up counts as 1."""
    try:
        value = first_directory(tiff).get(ORIENTATION, (1,))[0]
    except (struct.error, ValueError):
        return 1
    return value if 1 <= value <= 8 else 1


def minimal(value: int) -> bytes:
    """A TIFF structure that tells the orientation and nothing else."""
    return struct.pack(">4sIH HHIHH I", b"MM\0*", 8, 1, ORIENTATION, SHORT, 1, value, 0, 0)
