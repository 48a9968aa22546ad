"""GIF (89a): blocks and their sub-blocks."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from imges.errors import NotAnImage
from imges.imaging.formats.parts import Parts
from imges.imaging.types import Header

EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B
PLAIN_TEXT, GRAPHIC_CONTROL, APPLICATION = 0x01, 0xF9, 0xFF
LOOPS = (b"\x0bNETSCAPE2.0", b"\x0bANIMEXTS1.0")
"""Application blocks that say how often an animation runs, with the length in front."""


class Block(NamedTuple):
    """From its introducer at *start* to *stop*, behind the empty sub-block that ends it; *label* is an extension's."""

    label: int | None
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Frame:
    """How one frame is shown: *delay* in hundredths of a second, *palette* as RGB triples, its own or all frames'."""

    delay: int
    palette: bytes
    transparent: int | None
    """The palette's index that is not painted."""
    whole: bool
    """Whether it covers all of the canvas."""
    cleared: bool
    """Whether it is taken away again before the next one, to what was there before or to nothing."""


def _table(flags: int) -> int:
    """The bytes of the colour table that *flags* announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_sub_blocks(data: bytes, at: int) -> int:
    while size := data[at]:
        at += size + 1
    return at + 1


def _blocks(data: bytes) -> Iterator[Block]:
    """All blocks up to the trailer. Raises: NotAnImage for an unknown one, IndexError where the file is cut."""
    at = 13 + _table(data[10])
    while (introducer := data[at]) != TRAILER:
        if introducer == EXTENSION:
            block = Block(data[at + 1], at, _behind_sub_blocks(data, at + 2))
        elif introducer == IMAGE:
            block = Block(None, at, _behind_sub_blocks(data, at + 11 + _table(data[at + 9])))
        else:
            raise NotAnImage("the GIF is damaged")
        yield block
        at = block.stop


def read(data: bytes) -> Header:
    """The header; the frames are counted."""
    width, height = struct.unpack_from("<HH", data, 6)
    frames = 0
    for block in _blocks(data):
        if block.label is None:
            frames += 1
            left, top, wide, high = struct.unpack_from("<HHHH", data, block.start + 1)
            if left + wide > width or top + high > height:  # decoders would enlarge the canvas beyond what we judge
                raise NotAnImage("the GIF is damaged: a frame is larger than the picture")
    if not frames:
        raise NotAnImage("the GIF has no picture in it")
    return Header("gif", width, height, frames=frames, channels=3)


def frames(data: bytes) -> list[Frame]:
    """How each frame is to be shown."""
    shown: list[Frame] = []
    canvas = struct.unpack_from("<HH", data, 6)
    shared = data[13 : 13 + _table(data[10])]
    flags, delay, transparent = 0, 0, 0
    for block in _blocks(data):
        if block.label == GRAPHIC_CONTROL:
            flags, delay, transparent = struct.unpack_from("<BHB", data, block.start + 3)
        elif block.label is None:
            table = block.start + 10
            own = data[table : table + _table(data[block.start + 9])]
            whole = struct.unpack_from("<HH", data, block.start + 5) == canvas
            cleared = flags >> 2 & 7 >= 2
            shown.append(Frame(delay, own or shared, transparent if flags & 1 else None, whole, cleared))
            flags, delay = 0, 0
    return shown


def loops(data: bytes) -> int | None:
    """How often an animation is repeated, 0 for ever; `None` where the file does not say, and it runs once."""
    for block in _blocks(data):
        if block.label == APPLICATION and (count := _loop_count(data, block)) is not None:
            return count
    return None


def _loop_count(data: bytes, block: Block) -> int | None:
    """The count in an application block; `None` for another application's, or another message."""
    if not data.startswith(LOOPS, block.start + 2) or data[block.start + 14 : block.start + 16] != b"\x03\x01":
        return None
    (count,) = struct.unpack_from("<H", data, block.start + 16)
    return count


def strip(data: bytes, _orientation: int) -> Parts:
    """The frames, how they are shown, and how often. A graphic control block is its frame's, or its plain text's."""
    view = memoryview(data)
    parts: Parts = [view[: 13 + _table(data[10])]]
    if (count := loops(data)) is not None:
        parts.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", count) + b"\0")
    control: bytes | None = None
    for block in _blocks(data):
        if block.label is None:
            parts += [control, view[block.start : block.stop]] if control else [view[block.start : block.stop]]
            control = None
        elif block.label == GRAPHIC_CONTROL:
            control = b"\x21\xf9\x04" + data[block.start + 3 : block.start + 7] + b"\0"
        elif block.label == PLAIN_TEXT:
            control = None
    parts.append(b"\x3b")
    return parts
