"""PNG (W3C, third edition, 2025): chunks. Since that edition animations (APNG) are part of it."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, cast

import deflate

from imges.errors import NotAnImage
from imges.imaging.colour import Chromaticities, Colour, coded, measured
from imges.imaging.formats import exif, removed
from imges.imaging.formats.parts import MAX_CHUNKS, MAX_ICC, Filtered, Parts
from imges.imaging.types import Header

SIGNATURE = b"\x89PNG\r\n\x1a\n"

PROFILE = b"iCCP"
PICTURE = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"}
"""Chunks of the picture and its frames."""
DISPLAY = {
    b"tRNS": 256,
    b"gAMA": 4,
    b"cHRM": 32,
    b"sRGB": 1,
    PROFILE: MAX_ICC,
    b"sBIT": 4,
    b"bKGD": 6,
    b"pHYs": 9,
    b"cICP": 4,
    b"mDCV": 24,
    b"cLLI": 8,
}
"""Chunks that say how to show the picture, and their most bytes. Each is kept once; a longer one is something else."""
PROFILE_START = b"ICC\0\0"
"""What a profile's chunk begins with here: a name, which could be any text in a received file, and the compression."""
TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
"""Chunks of a keyword and a text (section 11.3.3)."""
STILL = {b"IHDR", b"PLTE", *DISPLAY}
"""Chunks that a still needs beside its pixels."""
PALETTE = 3
SAMPLES = {0: 1, 2: 3, PALETTE: 1, 4: 2, 6: 4}
"""Samples of a pixel, by colour type."""
BITS = {1, 2, 4, 8, 16}
"""Bits that a sample can have."""
COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""The colour type of so many samples a pixel, without palettes."""
DAMAGED = "the PNG is damaged or incomplete"
END = b"\0\0\0\0IEND\xae\x42\x60\x82"
RGB_IN_FULL = b"\0\1"
"""How cICP ends: no matrix, all values of a sample (section 11.3.2.6). Browsers obey no other."""
ADAM7 = 1
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: the column and row where each pass begins, and its steps across and down (section 8.2)."""
BLOCK = 2**20
"""Bytes that are inflated in one step: a few kilobytes can become gigabytes."""
AT_ONCE = 2**21
"""Most pixels for which `inflated` and `written` are used, for the memory that they take."""


class Chunk(NamedTuple):
    """A chunk from its length field at *start* to *stop*, behind its checksum."""

    kind: bytes
    start: int
    stop: int

    @property
    def body(self) -> slice:
        return slice(self.start + 8, self.stop - 4)


def _chunks(data: bytes) -> Iterator[Chunk]:
    """All chunks up to IEND, and that too.

    Behind the pixels the file may end without IEND, within a chunk that is no part of the picture, or with bytes that
    are no chunk: browsers show it. Raises `NotAnImage` if it is cut before.
    """
    at, painted = len(SIGNATURE), False
    for _ in range(MAX_CHUNKS):
        kind = data[at + 4 : at + 8]
        chunk = Chunk(kind, at, at + 12 + int.from_bytes(data[at : at + 4]))
        if kind == b"IEND" or (painted and not _is_chunk(data, chunk)):
            yield Chunk(b"IEND", at, at)
            return
        if chunk.stop > len(data):
            break
        yield chunk
        painted = painted or kind == b"IDAT"
        at = chunk.stop
    raise NotAnImage(DAMAGED)


def _is_chunk(data: bytes, chunk: Chunk) -> bool:
    """Whether *chunk*, which stands behind pixels, is one. It may be cut if it would be part of the picture."""
    return chunk.kind.isalpha() and (chunk.stop <= len(data) or chunk.kind in PICTURE)


def read(data: bytes) -> Header:
    """The header. The frames are counted, because an animation's own count can lie."""
    chunks = list(_chunks(data))
    if chunks[0].kind != b"IHDR" or chunks[0].stop != 33:
        raise NotAnImage("the PNG does not begin with its header")
    width, height, bits, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", data, chunks[0].start + 8)
    if bits not in BITS or colour not in SAMPLES:
        raise NotAnImage("the PNG has pixels that are not in the standard")
    return Header(
        "png",
        width,
        height,
        _orientation(data, chunks),
        frames=_frames([chunk.kind for chunk in chunks]),
        bits=bits,
        progressive=interlace == ADAM7,
        palette=colour == PALETTE,
        is_masked=any(chunk.kind == b"tRNS" for chunk in chunks),
        colour=_colour(data, chunks),
    )


def _colour(data: bytes, chunks: list[Chunk]) -> Colour | None:
    """What the chunks before the pixels say; of several kinds the first of this order counts (section 4.3)."""
    said: dict[bytes, bytes] = {}
    for chunk in chunks:
        if chunk.kind == b"IDAT":
            break
        size = DISPLAY.get(chunk.kind, 0)
        if chunk.stop - chunk.start - 12 <= size and chunk.kind not in said and _is_sound(data, chunk):
            said[chunk.kind] = data[chunk.body]
    if (code := said.get(b"cICP", b""))[2:] == RGB_IN_FULL:
        return coded(code[0], code[1], video=False)
    if PROFILE in said or b"sRGB" in said or len(said.get(b"gAMA", b"")) != 4:
        return None
    gamma = int.from_bytes(said[b"gAMA"])
    numbers = struct.iter_unpack(">I", said.get(b"cHRM", b"").ljust(32, b"\0"))
    points = cast("Chromaticities", tuple(number / 100_000 for (number,) in numbers))
    return measured(100_000 / gamma if gamma else None, points if b"cHRM" in said else None)


def _orientation(data: bytes, chunks: list[Chunk]) -> int:
    """The orientation of the first sound eXIf before the pixels. Browsers obey no other."""
    for chunk in chunks:
        if chunk.kind == b"IDAT":
            break
        if chunk.kind == b"eXIf" and _is_sound(data, chunk):
            return exif.orientation(data[chunk.body])
    return 1


def _is_sound(data: bytes, chunk: Chunk) -> bool:
    """Whether the checksum of *chunk* is right."""
    (checksum,) = struct.unpack_from(">I", data, chunk.stop - 4)
    return deflate.crc32(memoryview(data)[chunk.start + 4 : chunk.stop - 4]) == checksum


def _frames(kinds: list[bytes]) -> int:
    """The frames; 1 for a still. An animation says that it is one before its first pixels."""
    before = kinds[: kinds.index(b"IDAT")] if b"IDAT" in kinds else []
    return max(1, kinds.count(b"fcTL")) if b"acTL" in before else 1


def _needed(data: bytes) -> int:
    """Bytes of the picture when it is inflated: each row has one more, for its filter."""
    width, height, bits, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", data, len(SIGNATURE) + 8)
    passes = PASSES if interlace == ADAM7 else ((0, 0, 1, 1),)
    needed = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            needed += rows * (1 + (columns * bits * SAMPLES[colour] + 7) // 8)
    return needed


def is_whole(data: bytes) -> bool:
    """Whether the compressed data has as many bytes as the picture needs. Not all decoders check that."""
    missing = _needed(data)
    inflate = zlib.decompressobj()
    try:
        for chunk in _chunks(data):
            rest = data[chunk.body] if chunk.kind == b"IDAT" else b""
            while rest and missing > 0:
                missing -= len(inflate.decompress(rest, BLOCK))
                rest = inflate.unconsumed_tail
    except zlib.error:
        return False
    return missing <= 0


def inflated(data: bytes) -> bytes | None:
    """The same still with its pixels uncompressed, so that a decoder need not inflate them.

    libdeflate inflates in a small part of a decoder's time, but must know beforehand how many bytes it will be. Returns
    `None` if the number is another, or the data is damaged. It takes four times the memory of the pixels.
    """
    needed, chunks = _needed(data), list(_chunks(data))
    packed = b"".join([data[chunk.body] for chunk in chunks if chunk.kind == b"IDAT"])
    try:
        pixels = deflate.zlib_decompress(packed, needed)
    except deflate.DeflateError:
        return None
    if len(pixels) != needed:
        return None
    before = [data[chunk.start : chunk.stop] for chunk in chunks if chunk.kind in STILL]
    return b"".join([SIGNATURE, *before, _chunk(b"IDAT", deflate.zlib_compress(pixels, 0)), END])


def strip(data: bytes, orientation: int) -> Filtered:
    """The picture, its animation, and what says how to show them.

    Raises `NotAnImage` if a checksum of the picture is wrong. A chunk that says how to show it, and whose checksum is
    wrong, is dropped: browsers do not read it.
    """
    view = memoryview(data)
    parts: Parts = [SIGNATURE]
    seen: set[bytes] = set()
    chunks = list(_chunks(data))
    mended = data[chunks[-1].start :][: len(END)] != END
    for chunk in chunks[:-1]:
        kept, sound = _is_kept(chunk, seen), _is_sound(data, chunk)
        mended = mended or not sound
        if sound:
            seen.add(chunk.kind)
        elif chunk.kind in PICTURE:
            raise NotAnImage("the PNG is damaged: a checksum is wrong")
        if sound and kept:
            parts.append(view[chunk.start : chunk.stop] if chunk.kind != PROFILE else _profile(data[chunk.body]))
        if chunk.kind == b"IHDR" and orientation != 1:
            parts.append(_chunk(b"eXIf", exif.minimal(orientation)))
    gone = [_about(data, chunk) for chunk in chunks[:-1] if chunk.kind not in PICTURE and chunk.kind not in DISPLAY]
    behind = {removed.OTHER} if len(data) > chunks[-1].start + len(END) else set[str]()
    return Filtered([*parts, END], mended, frozenset(behind.union(*gone)))


def _about(data: bytes, chunk: Chunk) -> set[str]:
    """What is taken out with *chunk*."""
    if chunk.kind == b"eXIf":
        return removed.in_exif(data[chunk.body])
    start = data[chunk.body.start : chunk.body.stop][: removed.LOOKED_AT]
    if chunk.kind not in TEXTS:
        return {removed.OTHER}
    keyword = start.partition(b"\0")[0]
    found = removed.in_text(start if keyword.endswith(b"xmp") else keyword)
    return {removed.TEXT} if found == {removed.OTHER} else found


def _is_kept(chunk: Chunk, seen: set[bytes]) -> bool:
    """Whether *chunk* stays, after the kinds that were *seen*.

    Raises `NotAnImage` if it is critical (its first letter is a capital, section 5.4) and unknown.
    """
    if chunk.kind in PICTURE:
        return True
    if not chunk.kind[0] & 0x20:
        raise NotAnImage("the PNG cannot be shown without a chunk that is not in the standard")
    return chunk.kind in DISPLAY and chunk.kind not in seen and chunk.stop - chunk.start - 12 <= DISPLAY[chunk.kind]


def _profile(body: bytes) -> bytes:
    """A profile's chunk without its name and without bytes behind it; nothing if the profile is broken or too large."""
    inflate = zlib.decompressobj()
    try:
        packed = body[body.index(b"\0") + 2 :]
        inflate.decompress(packed, MAX_ICC)
    except (zlib.error, ValueError):
        return b""
    body = PROFILE_START + packed[: len(packed) - len(inflate.unused_data)]
    return _chunk(PROFILE, body) if inflate.eof and len(body) <= MAX_ICC else b""


def written(pixels: bytes, width: int, height: int, level: int) -> bytes:
    """A PNG of *pixels*, which are row by row and have 8 bits a sample, without filters.

    libdeflate compresses a picture in one piece: in three quarters of the time that libvips takes, and 5 % better. It
    takes four times the memory of the pixels.
    """
    row = len(pixels) // height
    colour = COLOURS[row // width]
    rows = b"".join([b"\0" + pixels[at : at + row] for at in range(0, len(pixels), row)])
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", deflate.zlib_compress(rows, level)), (b"IEND", b"")]
    return SIGNATURE + b"".join([_chunk(kind, body) for kind, body in chunks])


def _chunk(kind: bytes, body: bytes | bytearray) -> bytes:
    checksum = deflate.crc32(body, deflate.crc32(kind))
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)))
