"""GIF (GIF89a specification, CompuServe 1990): blocks and their sub-blocks."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from imges.errors import NotAnImage
from imges.imaging.formats import removed
from imges.imaging.formats.parts import Filtered, Parts
from imges.imaging.types import Header

MAX_BLOCKS = 50_000
"""Most blocks. Real files have two for each frame; one can be three bytes long, so a file can claim millions."""
MAX_SUB_BLOCKS = 1_000_000
"""Most sub-blocks of all blocks together. A file of 50 MB has 200,000: they have 255 bytes each."""
EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B
INTERLACED = 0x40
"""The flag of a frame whose rows stand in another order."""
PLAIN_TEXT, GRAPHIC_CONTROL, COMMENT, APPLICATION = 0x01, 0xF9, 0xFE, 0xFF
XMP = b"\x0bXMP DataXMP"
"""An application block of XMP."""
LOOPS = (b"\x0bNETSCAPE2.0", b"\x0bANIMEXTS1.0")
"""Application blocks that say how often an animation runs: the length of the name, and the name."""


class Block(NamedTuple):
    """A block from its introducer at *start* to *stop*, behind the empty sub-block that ends it.

    *label* is the kind of an extension; `None` for a frame.
    """

    label: int | None
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame and how it is shown.

    *box* is left, top, right and bottom on the canvas, beyond which it may reach; *delay* is in hundredths of a second;
    *palette*, its own or all frames', is RGB triples; *disposal* is what happens to it before the next frame.
    """

    box: tuple[int, int, int, int]

    delay: int
    palette: bytes
    transparent: int | None
    """The index of the palette that is not painted; `None` if all are."""
    disposal: int
    pixels: memoryview
    """Its descriptor's last byte, palette and compressed data."""


def _table(flags: int) -> int:
    """The bytes of the colour table that *flags* announce; 0 for none."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_sub_blocks(data: bytes, at: int, room: Iterator[int]) -> int:
    """Where the sub-blocks from *at* on end. Each takes one of *room*, which is the whole file's."""
    for _ in room:
        size = data[at]
        at += size + 1
        if not size:
            return at
    raise NotAnImage("the GIF has too many blocks")


def _blocks(data: bytes) -> Iterator[Block]:
    """All blocks up to the trailer.

    Behind a frame the file may end without a trailer, within an extension, or with bytes that are no block: browsers
    show it. Raises `NotAnImage` or `IndexError` if it is cut before, or within a frame, or has too many blocks.
    """
    at, painted = 13 + _table(data[10]), False
    room = iter(range(MAX_SUB_BLOCKS))
    for _ in range(MAX_BLOCKS):
        introducer = data[at] if at < len(data) else TRAILER
        if introducer == IMAGE:
            block = Block(None, at, _behind_frame(data, at, room))
            painted = True
        elif introducer == EXTENSION and (stop := _behind_extension(data, at, room)):
            block = Block(data[at + 1], at, stop)
        elif painted:
            return
        else:
            break
        yield block
        at = block.stop
    raise NotAnImage("the GIF is damaged or incomplete")


def _behind_frame(data: bytes, at: int, room: Iterator[int]) -> int:
    """Where the frame at *at* ends. Raises `NotAnImage` if the file ends before."""
    try:
        return _behind_sub_blocks(data, at + 11 + _table(data[at + 9]), room)
    except IndexError as error:
        raise NotAnImage("the GIF is incomplete: it is cut within a frame") from error


def _behind_extension(data: bytes, at: int, room: Iterator[int]) -> int | None:
    """Where the extension at *at* ends; `None` if the file ends before."""
    try:
        return _behind_sub_blocks(data, at + 2, room)
    except IndexError:
        return None


def read(data: bytes) -> Header:
    """The header; the frames are counted. The canvas grows to the first frame, as in browsers."""
    count, size = 0, (0, 0)
    for block in _blocks(data):
        if block.label is None:
            size = size if count else _canvas(data, block)
            count += 1
    if not count:
        raise NotAnImage("the GIF has no picture in it")
    return Header("gif", *size, frames=count, channels=3)


def _canvas(data: bytes, first: Block) -> tuple[int, int]:
    """Width and height of the canvas, on which the *first* frame has room. Later frames are cut to it."""
    width, height = struct.unpack_from("<HH", data, 6)
    left, top, wide, high = struct.unpack_from("<HHHH", data, first.start + 1)
    return max(width, left + wide), max(height, top + high)


def frames(data: bytes) -> list[Frame]:
    """How each frame is shown. A graphic control block is about the next frame alone."""
    shown: list[Frame] = []
    shared = data[13 : 13 + _table(data[10])]
    flags, delay, transparent = 0, 0, 0
    for block in _blocks(data):
        if block.label == GRAPHIC_CONTROL:
            flags, delay, transparent = struct.unpack_from("<BHB", data, block.start + 3)
        elif block.label is None:
            table = block.start + 10
            own = data[table : table + _table(data[block.start + 9])]
            left, top, wide, high = struct.unpack_from("<HHHH", data, block.start + 1)
            box = (left, top, left + wide, top + high)
            pixels = memoryview(data)[block.start + 9 : block.stop]
            see_through = transparent if flags & 1 else None
            shown.append(Frame(box, delay, own or shared, see_through, flags >> 2 & 7, pixels))
            flags, delay = 0, 0
    return shown


def loops(data: bytes) -> int | None:
    """How often an animation is repeated; 0 for ever. `None` if the file does not say: then it runs once.

    The last block that says so counts, as in browsers.
    """
    counts = [_loop_count(data, block) for block in _blocks(data) if block.label == APPLICATION]
    return next((count for count in reversed(counts) if count is not None), None)


def _loop_count(data: bytes, block: Block) -> int | None:
    """The count in an application block; `None` if it is another application's, or says something else."""
    if not data.startswith(LOOPS, block.start + 2) or data[block.start + 14 : block.start + 16] != b"\x03\x01":
        return None
    (count,) = struct.unpack_from("<H", data, block.start + 16)
    return count


def joined(
    size: tuple[int, int],
    pictures: Iterable[tuple[bytes, tuple[int, int]]],
    delays: list[int],
    loops: int | None,
    disposal: int,
) -> bytes:
    """An animation on a canvas of *size*.

    *pictures* are each a GIF of one frame, and its left upper corner on the canvas; *delays* are in hundredths of a
    second; *loops* is as `loops` returns it; *disposal* is that of all frames. Pillow would join equal frames to one.
    """
    parts: Parts = [b"GIF89a", struct.pack("<HHBBB", *size, 0, 0, 0), *_repeated(loops)]
    for (data, corner), delay in zip(pictures, delays, strict=True):
        (frame,) = frames(data)
        see_through = frame.transparent is not None
        control = struct.pack("<BHB", disposal << 2 | see_through, delay, frame.transparent or 0)
        left, top, right, bottom = frame.box
        place = struct.pack(
            "<HHHHB", *corner, right - left, bottom - top, 0x80 | frame.pixels[0] & INTERLACED | data[10] & 7
        )
        parts += [b"\x21\xf9\x04", control, b"\0\x2c", place, frame.palette, frame.pixels[1:]]
    return b"".join([*parts, b"\x3b"])


def _repeated(count: int | None) -> Parts:
    """The block that says how often an animation is repeated; none for `None`."""
    return [] if count is None else [b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", count) + b"\0"]


def strip(data: bytes, _orientation: int) -> Filtered:
    """The frames, how they are shown, and how often. All other extensions can be text.

    A graphic control block is about the frame behind it, or about a plain text, and then goes with that.
    """
    view = memoryview(data)
    blocks = list(_blocks(data))
    canvas = struct.pack("<HH", *_canvas(data, next(block for block in blocks if block.label is None)))
    parts: Parts = [view[:6], canvas, view[10 : 13 + _table(data[10])]]
    parts += _repeated(loops(data))
    control: bytes | None = None
    for block in blocks:
        if block.label is None:
            parts += [control, view[block.start : block.stop]] if control else [view[block.start : block.stop]]
            control = None
        elif block.label == GRAPHIC_CONTROL:
            control = b"\x21\xf9\x04" + data[block.start + 3 : block.start + 7] + b"\0"
        elif block.label == PLAIN_TEXT:
            control = None
    parts.append(b"\x3b")
    mended = canvas != data[6:10] or data[blocks[-1].stop :][:1] != b"\x3b"
    gone = [_about(data, block) for block in blocks if block.label not in (None, GRAPHIC_CONTROL)]
    behind = {removed.OTHER} if len(data) > blocks[-1].stop + 1 else set[str]()
    return Filtered(parts, mended, frozenset(behind.union(*gone)))


def _about(data: bytes, block: Block) -> set[str]:
    """What is taken out with an extension that does not stay."""
    if block.label == APPLICATION and data.startswith(LOOPS, block.start + 2):
        return set()
    if block.label == APPLICATION and data.startswith(XMP, block.start + 2):
        return removed.in_text(data[block.start : min(block.stop, block.start + removed.LOOKED_AT)])
    return {{COMMENT: removed.COMMENTS, PLAIN_TEXT: removed.TEXT}.get(block.label or 0, removed.OTHER)}
