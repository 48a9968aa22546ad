"""What the filters of all formats share."""

Parts = list[bytes | memoryview]
"""A file in pieces, most of them views of the bytes that came: nothing of a picture's size is copied."""

MAX_ICC = 2**20
"""Bytes of an ICC profile that we keep; those in use have up to some 600 KB, a display's 4 KB."""

MAX_CHUNKS = 200_000
"""Chunks of a PNG or WebP; real ones of 20 MB have some thousands."""


def unchanged(parts: Parts, data: bytes) -> bool:
    """Whether *parts* together are *data* again: nothing was taken off, nothing added."""
    return sum(map(len, parts)) == len(data) and b"".join(parts) == data
