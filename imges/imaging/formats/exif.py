"""EXIF (CIPA DC-008): the orientation, the only tag that says how to show a picture."""

import struct
from collections.abc import Iterator

ORIENTATION = 0x0112
BYTE, SHORT, LONG = 1, 3, 4
FORMS = {BYTE: "B", SHORT: "H", LONG: "I"}
"""The kinds of values that are read, in the form of `struct`."""
ENTRY = 12
"""Bytes of a directory's entry."""
MOST_ENTRIES = 1000
"""Most tags that are read: a directory can claim 65,535."""
MOST_VALUES = 16
"""Most values of one tag that are read: a tag can claim 2^32, and those that we need have at most 4."""


def first_directory(tiff: bytes) -> dict[int, tuple[int, ...]]:
    """The BYTE, SHORT and LONG tags of the first directory of a TIFF structure (TIFF 6.0, section 2).

    Raises `struct.error` if it runs off the end, and `ValueError` if it is no TIFF or has a tag twice.
    """
    order = _order(tiff)
    return _directory(tiff, order, *struct.unpack_from(order + "I", tiff, 4))


def directories(tiff: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """The tags of each directory, up to one that was there before. Raises as `first_directory` does."""
    order = _order(tiff)
    seen = {0}
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    while start not in seen:
        seen.add(start)
        yield _directory(tiff, order, start)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        end = start + 2 + ENTRY * entries
        start = struct.unpack_from(order + "I", tiff, end)[0] if end + 4 <= len(tiff) else 0


def _order(tiff: bytes) -> str:
    """The order of bytes in the form of `struct`. Raises `ValueError` if it is no TIFF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        raise ValueError("no TIFF header")
    return order


def _directory(tiff: bytes, order: str, start: int) -> dict[int, tuple[int, ...]]:
    """The tags of the directory at *start*."""
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(min(entries, MOST_ENTRIES)):
        tag, kind, count = struct.unpack_from(order + "HHI", tiff, start + 2 + ENTRY * entry)
        if tag in tags:
            raise ValueError("a tag stands twice")
        if kind in FORMS and count:
            tags[tag] = _values(tiff, order, kind, count, start + 10 + ENTRY * entry)
    return tags


def _values(tiff: bytes, order: str, kind: int, count: int, at: int) -> tuple[int, ...]:
    """The values of an entry. They stand at *at* in the entry if they fit into its four bytes, else where it points."""
    if count * struct.calcsize(FORMS[kind]) > 4:
        (at,) = struct.unpack_from(order + "I", tiff, at)
    return struct.unpack_from(f"{order}{min(count, MOST_VALUES)}{FORMS[kind]}", tiff, at)


def orientation(tiff: bytes) -> int:
    """The orientation that browsers obey: 1 to 8, and 1 if there is none.

    The first orientation tag whose value is one SHORT from 1 to 8 counts. Browsers check nothing else in the directory.
    So here, too, the orientation counts if a tag stands twice or the directory is cut.
    """
    try:
        order = _order(tiff)
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
    except (struct.error, ValueError):
        return 1
    entries = min(entries, (len(tiff) - start - 2) // ENTRY)
    directory = memoryview(tiff)[start + 2 : start + 2 + ENTRY * entries]
    for tag, kind, count, value, _ in struct.iter_unpack(order + "HHIHH", directory):
        if (tag, kind, count) == (ORIENTATION, SHORT, 1) and 1 <= value <= 8:
            return value
    return 1


def minimal(value: int) -> bytes:
    """A TIFF structure with the orientation and nothing else."""
    return struct.pack(">4sIH HHIHH I", b"MM\0*", 8, 1, ORIENTATION, SHORT, 1, value, 0, 0)
