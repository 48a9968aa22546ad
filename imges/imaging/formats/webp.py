"""WebP (RFC 9649): RIFF chunks."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from imges.errors import NotAnImage
from imges.imaging.formats import removed
from imges.imaging.formats.parts import MAX_CHUNKS, MAX_ICC, Filtered, Parts
from imges.imaging.types import Header

EXTENDED, LOSSY, LOSSLESS = b"VP8X", b"VP8 ", b"VP8L"
ALPHA = b"ALPH"
ANIMATION, FRAME = b"ANIM", b"ANMF"
HAS_ICC, HAS_EXIF, HAS_XMP, HAS_ANIMATION = 0x20, 0x08, 0x04, 0x02
"""Flags of the extended header (RFC 9649, 2.7)."""
FRAME_HEADER = 16
"""Bytes of a frame before its own chunks: place, size, delay, how it is blended (RFC 9649, 2.7.1.1)."""
MAX_FRAME_CHUNKS = 8
"""Most chunks of a frame. It has one, or two with transparency."""


class Chunk(NamedTuple):
    """A chunk whose payload is from *start* to *stop*."""

    kind: bytes
    start: int
    stop: int


def _chunks(data: bytes, at: int, end: int, most: int | None = None) -> Iterator[Chunk]:
    """The chunks from *at* to *end*; an odd one is followed by a byte of padding.

    Raises `NotAnImage` if one is cut, or there are *most*, or `MAX_CHUNKS`.
    """
    for _ in range(most or MAX_CHUNKS):
        if at >= end:
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        chunk = Chunk(kind, at + 8, at + 8 + length)
        if chunk.stop > end:
            break
        yield chunk
        at = chunk.stop + length % 2
    raise NotAnImage("the WebP is damaged")


def _all_chunks(data: bytes) -> list[Chunk]:
    """The chunks that belong to the picture. Without an extended header that is the first chunk alone."""
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise NotAnImage("the WebP is incomplete")
    chunks = list(_chunks(data, 12, end))
    return chunks if chunks[0].kind == EXTENDED else chunks[:1]


def read(data: bytes) -> Header:
    """The header; the frames are counted. No browser turns a WebP, whatever its EXIF says."""
    chunks = _all_chunks(data)
    first = chunks[0]
    width, height = _size(data, first)
    animated = _is_animated(data, first)
    return Header(
        "webp",
        width,
        height,
        progressive=any(chunk.kind == LOSSLESS for chunk in chunks),
        frames=max(1, sum(chunk.kind == FRAME for chunk in chunks)) if animated else 1,
    )


def _is_animated(data: bytes, first: Chunk) -> bool:
    return first.kind == EXTENDED and bool(data[first.start] & HAS_ANIMATION)


def _size(data: bytes, chunk: Chunk) -> tuple[int, int]:
    """Width and height in pixels, which each kind of first chunk has in its own bits (RFC 9649, 2.5 to 2.7)."""
    body = data[chunk.start : chunk.stop]
    if chunk.kind == EXTENDED and len(body) >= 10:
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if chunk.kind == LOSSY and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    if chunk.kind == LOSSLESS and body[:1] == b"\x2f":
        (packed,) = struct.unpack_from("<I", body, 1)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    raise NotAnImage("the WebP has no picture in it")


def strip(data: bytes, _orientation: int) -> Filtered:
    """The picture or its frames, and its ICC profile. The flags of the header say what is left."""
    chunks = _all_chunks(data)
    profile = next((c for c in chunks if c.kind == b"ICCP" and c.stop - c.start <= MAX_ICC), None)
    parts: Parts = []
    shown = _shown(data, chunks, profile)
    for chunk in shown:
        if chunk.kind == EXTENDED:
            parts += _extended(data, chunk, has_profile=profile is not None)
        elif chunk.kind == FRAME:
            parts += _frame(data, chunk)
        else:
            parts += _chunk(chunk.kind, [memoryview(data)[chunk.start : chunk.stop]])
    gone = [_about(data, chunk) for chunk in chunks if chunk not in shown]
    behind = {removed.OTHER} if len(data) > 8 + struct.unpack_from("<I", data, 4)[0] + 1 else set[str]()
    head = struct.pack("<4sI4s", b"RIFF", 4 + sum(map(len, parts)), b"WEBP")
    return Filtered([head, *parts], removed=frozenset(behind.union(*gone)))


def _about(data: bytes, chunk: Chunk) -> set[str]:
    """What is taken out with *chunk*."""
    body = data[chunk.start : chunk.stop]
    if chunk.kind == b"EXIF":
        return removed.in_exif(body.removeprefix(b"Exif\0\0"))
    return removed.in_text(body) if chunk.kind == b"XMP " else {removed.OTHER}


def _shown(data: bytes, chunks: list[Chunk], profile: Chunk | None) -> list[Chunk]:
    """The chunks that stay: the extended header, the *profile*, and one picture or one animation with its frames."""
    animated = _is_animated(data, chunks[0])
    shown = [c for c in chunks if c.kind == ANIMATION][:1] if animated else _picture(chunks)
    shown += [c for c in chunks[:1] if c.kind == EXTENDED]
    return [c for c in chunks if c in shown or c is profile or (animated and c.kind == FRAME)]


def _extended(data: bytes, header: Chunk, *, has_profile: bool) -> Parts:
    """The extended header with the flags of what the filter leaves; reserved bits are zero."""
    flags = data[header.start] & ~(HAS_EXIF | HAS_XMP | HAS_ICC)
    flags |= HAS_ICC if has_profile else 0
    return _chunk(EXTENDED, [bytes([flags]), b"\0\0\0", data[header.start + 4 : header.start + 10]])


def _picture(chunks: list[Chunk]) -> list[Chunk]:
    """The first picture, and the transparency before it, which only a lossy one has apart (RFC 9649, 2.7.1.2)."""
    before: list[Chunk] = []
    for chunk in chunks:
        if chunk.kind in (LOSSY, LOSSLESS):
            return [*before, chunk] if chunk.kind == LOSSY else [chunk]
        if chunk.kind == ALPHA:
            before = [chunk]
    return []


def _frame(data: bytes, frame: Chunk) -> Parts:
    """A frame of an animation. It has chunks of its own, and is held to the same rule as a still."""
    body: Parts = [data[frame.start : frame.start + FRAME_HEADER]]
    for chunk in _picture(list(_chunks(data, frame.start + FRAME_HEADER, frame.stop, MAX_FRAME_CHUNKS))):
        body += _chunk(chunk.kind, [memoryview(data)[chunk.start : chunk.stop]])
    return _chunk(FRAME, body)


def _chunk(kind: bytes, body: Parts) -> Parts:
    size = sum(map(len, body))
    return [struct.pack("<4sI", kind, size), *body, b"\0" * (size % 2)]
