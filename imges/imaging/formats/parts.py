"""What the filters of all formats have in common."""

from typing import NamedTuple

Parts = list[bytes | memoryview]
"""A file in pieces. Most are views of the received bytes, so that nothing of a picture's size is copied."""

MAX_ICC = 2**20
"""Most bytes of an ICC profile that is kept. A printer's has up to 600 KB, a display's 4 KB."""

MAX_CHUNKS = 50_000
"""Most chunks of a PNG or WebP. Real files of 50 MB have some thousands.

A chunk can be 12 bytes long, and each costs a microsecond or two for every time that a file is walked through."""


class Filtered(NamedTuple):
    """What a filter leaves of a file."""

    parts: Parts
    mended: bool = False
    """Whether something was wrong that browsers overlook, such as an ending that is missing, and now is right."""
    removed: frozenset[str] = frozenset()
    """What was taken out: kinds of `imges.imaging.formats.removed`."""


def unchanged(parts: Parts, data: bytes) -> bool:
    """Whether *parts* together are the same bytes as *data*."""
    return sum(map(len, parts)) == len(data) and b"".join(parts) == data
