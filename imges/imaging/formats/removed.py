"""What a filter took out of a file, in the few words of the answer's `removed`.

Tags and keywords say it; their values are not judged.
"""

import struct
from collections.abc import Iterable

POSITION, CAMERA, SOFTWARE, AUTHOR = "position", "camera", "software", "author"
TEXT, COMMENTS, THUMBNAIL, OTHER = "text", "comments", "thumbnail", "other"
KINDS = (POSITION, CAMERA, SOFTWARE, AUTHOR, TEXT, COMMENTS, THUMBNAIL, OTHER)
"""All of them, in the order in which they are reported."""

TAGS = {
    0x8825: POSITION,
    **dict.fromkeys((0x010F, 0x0110, 0x8769), CAMERA),  # make, model, and what was set for the exposure
    0x0131: SOFTWARE,
    **dict.fromkeys((0x013B, 0x8298, 0x9C9D), AUTHOR),
    **dict.fromkeys((0x010E, 0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F), TEXT),
    **dict.fromkeys((0x0132, 0x02BC, 0x83BB, 0x8649), OTHER),  # date, XMP, IPTC, Photoshop's
}
"""Tags of EXIF's first directory (CIPA DC-008)."""
MOST_TAGS = 200
"""Most tags that are read."""
WORDS = (
    (POSITION, (b"gps",)),
    (CAMERA, (b"tiff:make", b"tiff:model", b"serialnumber")),
    (SOFTWARE, (b"creatortool", b"software")),
    (AUTHOR, (b"dc:creator", b"dc:rights", b"author", b"copyright", b"artist")),
    (TEXT, (b"dc:description", b"dc:title", b"dc:subject")),
    (COMMENTS, (b"comment",)),
)
"""What names in XMP, and keywords of texts in PNGs, are about."""
LOOKED_AT = 2**16
"""Bytes of a text that are searched for words."""
IPTC = ((AUTHOR, b"\x1c\x02\x50"), (AUTHOR, b"\x1c\x02\x74"), (TEXT, b"\x1c\x02\x78"), (TEXT, b"\x1c\x02\x19"))
"""By-line, copyright, caption and keywords (IPTC IIM, record 2)."""


def in_order(found: Iterable[str]) -> tuple[str, ...]:
    """The kinds of *found*, each once, in the order of `KINDS`."""
    known = set(found)
    return tuple(kind for kind in KINDS if kind in known)


def in_exif(tiff: bytes) -> set[str]:
    """What the first directory of EXIF's *tiff* has. Nothing if it cannot be read, or says only how to show it."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2], ">")
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        tags = [struct.unpack_from(order + "H", tiff, start + 2 + 12 * n)[0] for n in range(min(count, MOST_TAGS))]
        (following,) = struct.unpack_from(order + "I", tiff, start + 2 + 12 * count)
    except struct.error:
        return {OTHER} if tiff else set()
    return {TAGS[tag] for tag in tags if tag in TAGS} | ({THUMBNAIL} if following else set())


def in_text(text: bytes) -> set[str]:
    """What XMP, or a text with its keyword, is about."""
    lower = text[:LOOKED_AT].lower()
    return {kind for kind, words in WORDS if any(word in lower for word in words)} or {OTHER}


def in_iptc(block: bytes) -> set[str]:
    """What Photoshop's block is about."""
    return {kind for kind, start in IPTC if start in block[:LOOKED_AT]} or {OTHER}
