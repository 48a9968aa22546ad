"""The keys that objects may have.

A key is a relative POSIX path (`2014/06/04/example.png`). No segment starts with a dot and no segment is empty, so a
key never leaves the root of its place, and never names what a backend keeps there for itself (`.staging`, `.claims`).
"""

import re

from imges.storage.errors import InvalidKey

LONGEST_KEY = 1024
"""Bytes that a key may have; S3 sets this limit."""

LONGEST_SEGMENT = 255
"""Bytes that a segment (the part between two slashes) may have; file systems set this limit."""

_SEGMENT = r"(?!\.)[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
_KEY = re.compile(f"{_SEGMENT}(/{_SEGMENT})*")


def checked_key(key: str) -> str:
    """Returns *key*, if an object can have it.

    A good key is relative. No segment is empty or starts with a dot. It has no backslash and no control character,
    UTF-8 can encode it, and it has at most 1024 bytes, and 255 in a segment.

    Raises `InvalidKey` if one of these does not hold.
    """
    segments = key.encode(errors="surrogatepass").split(b"/")
    if (
        not _KEY.fullmatch(key)
        or sum(map(len, segments)) + len(segments) - 1 > LONGEST_KEY
        or max(map(len, segments)) > LONGEST_SEGMENT
    ):
        raise InvalidKey(ascii(key[:LONGEST_KEY]))
    return key
