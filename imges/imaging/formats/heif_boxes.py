"""Boxes: what AVIF and HEIC files are made of (ISO/IEC 14496-12, section 4.2).

The bytes come from strangers. A box may claim to be larger than the box around it, and 8 bytes are enough for one more
box. So every box is held to the one around it, and every list of boxes has an end.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from imges.errors import NotAnImage

MEDIA = b"mdat"
TOP = {b"ftyp", b"meta", b"moov", MEDIA, b"free", b"skip", b"uuid", b"styp", b"sidx", b"idat"}
"""Boxes that a file is made of. Whatever follows the last of them is not part of the picture."""

MAX_BOXES = 4_000
"""Most boxes of any one list. A telephone's HEIC has some hundreds, one for each tile and more."""
MAX_ENTRIES = 20_000
"""Most entries of any one table: items, their properties, references, samples, chunks.

Each costs a microsecond or two for every time that the file is walked through, and can be a few bytes long."""

DAMAGED = "the file is damaged"
INCOMPLETE = "the file is damaged or incomplete"


class Box(NamedTuple):
    """A box from its size field at *start* to *stop*; its payload begins at *body*."""

    kind: bytes
    start: int
    body: int
    stop: int


def box_at(data: bytes, at: int, stop: int) -> Box:
    """The box at *at*, inside something that ends at *stop*.

    A size of 1 means that a size of 64 bits follows. A size of 0 means that the box reaches to the end.
    Raises `NotAnImage` if the box is shorter than its own header or reaches beyond *stop*.
    """
    size, kind = struct.unpack_from(">I4s", data, at)
    body = at + 8
    if size == 1:
        (size,) = struct.unpack_from(">Q", data, body)
        body += 8
    end = stop if size == 0 else at + size
    if not body <= end <= stop:
        raise NotAnImage(INCOMPLETE)
    return Box(kind, at, body, end)


def boxes_in(data: bytes, at: int, stop: int) -> Iterator[Box]:
    """The boxes from *at* to *stop*. Raises `NotAnImage` if there are `MAX_BOXES` of them."""
    for _ in range(MAX_BOXES):
        if at >= stop:
            return
        box = box_at(data, at, stop)
        yield box
        at = box.stop
    raise NotAnImage(DAMAGED)


def top_boxes(data: bytes) -> list[Box]:
    """The boxes of the file itself, up to the first thing that is not one of `TOP`."""
    boxes: list[Box] = []
    at = 0
    while at + 8 <= len(data) and data[at + 4 : at + 8] in TOP and len(boxes) < MAX_BOXES:
        boxes.append(box_at(data, at, len(data)))
        at = boxes[-1].stop
    return boxes


def child_of(data: bytes, parent: Box, kind: bytes) -> Box | None:
    """The first box of that *kind* in *parent*."""
    return next((box for box in boxes_in(data, parent.body, parent.stop) if box.kind == kind), None)


def needed_child(data: bytes, parent: Box, kind: bytes) -> Box:
    """The first box of that *kind* in *parent*. Raises `NotAnImage` if there is none."""
    box = child_of(data, parent, kind)
    if box is None:
        raise NotAnImage("the file is damaged: it does not say where the picture is")
    return box


def below(data: bytes, box: Box, *kinds: bytes) -> Box | None:
    """The box that the path *kinds* leads to from *box*; `None` if a box of the path is missing."""
    found: Box | None = box
    for kind in kinds:
        found = child_of(data, found, kind) if found else None
    return found


def table_size(data: bytes, box: Box, at: int, entry: int) -> int:
    """Bytes of a *box* that ends with a table of entries of *entry* bytes; their number stands at *at* in the payload.

    Raises `NotAnImage` if the table claims more than `MAX_ENTRIES` entries.
    """
    (count,) = struct.unpack_from(">I", data, box.body + at)
    if count > MAX_ENTRIES:
        raise NotAnImage(DAMAGED)
    return at + 4 + count * entry


class Reader:
    """Reads numbers one after the other. Raises `struct.error` if a number reaches beyond the end of the data."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def number(self, size: int) -> int:
        """The next *size* bytes as a big-endian number; 0 if *size* is 0."""
        start, stop = self.passed(size)
        return int.from_bytes(self.data[start:stop])

    def passed(self, size: int) -> tuple[int, int]:
        """From where to where the next *size* bytes stand; the next number is read from behind them."""
        if self.at + size > len(self.data):
            raise struct.error("behind the end")
        self.at += size
        return self.at - size, self.at

    def version(self) -> tuple[int, int]:
        """The version and the flags that a full box begins with (ISO/IEC 14496-12, 4.2)."""
        return self.number(1), self.number(3)
