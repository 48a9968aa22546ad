"""AVIF and HEIC as they are read: items and their properties in ISO base media boxes (ISO/IEC 14496-12, 23008-12)."""

import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from imges.errors import FormatRefused, NotAnImage
from imges.imaging.types import Header

AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
ANY_BRANDS = {b"mif1", b"msf1"}
"""HEIF of a codec that only the items tell."""

MEDIA = b"mdat"
TOP = {b"ftyp", b"meta", b"moov", MEDIA, b"free", b"skip", b"uuid", b"styp", b"sidx", b"idat"}
"""Boxes that a file is made of; behind the last of them begins what is not the picture's."""

MAX_EXTENTS = 10_000
MAX_BOXES = 100_000
"""Of anything in one list: boxes, items, properties of items, references, samples, chunks."""

ORIENTATIONS: dict[tuple[int, int | None], int] = {
    # (quarter turns anticlockwise, mirrored by: None, 0 = top and bottom, 1 = left and right): EXIF orientation
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


class Box(NamedTuple):
    """From its size field at *start* to *stop*; the payload begins at *body*."""

    kind: bytes
    start: int
    body: int
    stop: int


class Locations(NamedTuple):
    """Where the items' bytes are in the file; and what of the box, which is read up to *stop*, says so: that item by
    item, and what is ignored.
    """

    extents: dict[int, list[tuple[int, int]]]
    numbers: dict[int, list[tuple[int, int]]]
    ignored: list[tuple[int, int]]
    stop: int


class Association(NamedTuple):
    """That an item has the property *which*, counted from 1; said in the bytes from *start* to *stop*."""

    which: int
    essential: bool
    start: int
    stop: int


class Meta(NamedTuple):
    """What the meta box says: its boxes, the first of each type; items by number, the picture's; all properties."""

    boxes: dict[bytes, Box]
    kinds: dict[int, bytes]
    locations: Locations
    primary: int
    every: list[Box]
    associations: dict[int, list[Association]]

    def properties(self, item: int) -> list[Box]:
        """Those of one item, in the order in which they apply."""
        numbers = [association.which for association in self.associations.get(item, [])]
        return [self.every[number - 1] for number in numbers if 0 < number <= len(self.every)]


def _box(data: bytes, at: int, stop: int) -> Box:
    size, kind = struct.unpack_from(">I4s", data, at)
    body = at + 8
    if size == 1:
        (size,) = struct.unpack_from(">Q", data, body)
        body += 8
    end = stop if size == 0 else at + size
    if not body <= end <= stop:
        raise NotAnImage("the file is damaged or incomplete")
    return Box(kind, at, body, end)


def boxes_in(data: bytes, at: int, stop: int) -> Iterator[Box]:
    for _ in range(MAX_BOXES):
        if at >= stop:
            return
        box = _box(data, at, stop)
        yield box
        at = box.stop
    raise NotAnImage("the file is damaged")


def top_boxes(data: bytes) -> list[Box]:
    """The boxes of the file itself, up to the first thing that is none."""
    boxes: list[Box] = []
    at = 0
    while at + 8 <= len(data) and data[at + 4 : at + 8] in TOP and len(boxes) < MAX_BOXES:
        boxes.append(_box(data, at, len(data)))
        at = boxes[-1].stop
    return boxes


def child_of(data: bytes, parent: Box, kind: bytes, skip: int = 0) -> Box | None:
    return next((box for box in boxes_in(data, parent.body + skip, parent.stop) if box.kind == kind), None)


def needed_child(data: bytes, parent: Box, kind: bytes, skip: int = 0) -> Box:
    box = child_of(data, parent, kind, skip)
    if box is None:
        raise NotAnImage("the file is damaged: it does not say where the picture is")
    return box


class Reader:
    """Reads numbers one after the other. Raises: struct.error at the end of the data."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def number(self, size: int) -> int:
        """The next *size* bytes, big-endian; nothing for 0."""
        if self.at + size > len(self.data):
            raise struct.error("behind the end")
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at])

    def version(self) -> tuple[int, int]:
        """The version and the flags that a full box begins with."""
        return self.number(1), self.number(3)


def read_meta(data: bytes, boxes: list[Box]) -> Meta:
    meta = next((box for box in boxes if box.kind == b"meta"), None)
    if meta is None:
        raise NotAnImage("the file has no picture in it")
    inside: dict[bytes, Box] = {}
    for box in boxes_in(data, meta.body + 4, meta.stop):
        inside.setdefault(box.kind, box)
    if not inside.keys() >= {b"iinf", b"iloc", b"pitm", b"iprp"}:
        raise NotAnImage("the file is damaged: it does not say where the picture is")
    pitm = Reader(data, inside[b"pitm"].body)
    version, _ = pitm.version()
    ipco = needed_child(data, inside[b"iprp"], b"ipco")
    return Meta(
        inside,
        _kinds(data, inside[b"iinf"]),
        _locations(data, inside[b"iloc"], inside.get(b"idat")),
        pitm.number(4 if version else 2),
        list(boxes_in(data, ipco.body, ipco.stop)),
        _associations(data, inside[b"iprp"]),
    )


def entries_of(data: bytes, iinf: Box) -> Iterator[Box]:
    return boxes_in(data, iinf.body + (6 if data[iinf.body] == 0 else 8), iinf.stop)


def _kinds(data: bytes, iinf: Box) -> dict[int, bytes]:
    """The items' types by their numbers. Raises: NotAnImage for a number that is there twice."""
    kinds: dict[int, bytes] = {}
    for infe in entries_of(data, iinf):
        reader = Reader(data, infe.body)
        version, _ = reader.version()
        number = reader.number(2 if version < 3 else 4)
        if infe.kind != b"infe" or number in kinds:
            raise NotAnImage("the file is damaged")
        kinds[number] = data[reader.at + 2 : reader.at + 6] if version >= 2 else b"mime"
    return kinds


def _locations(data: bytes, iloc: Box, idat: Box | None) -> Locations:
    """The items' extents in the file. Raises: NotAnImage for one that lies outside, and an item that is there twice."""
    reader = Reader(data, iloc.body)
    version, _ = reader.version()
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    extents: dict[int, list[tuple[int, int]]] = {}
    numbers: dict[int, list[tuple[int, int]]] = {}
    ignored: list[tuple[int, int]] = []
    room = MAX_EXTENTS
    for _ in range(reader.number(4 if version == 2 else 2)):
        number = reader.number(4 if version == 2 else 2)
        method = reader.number(2) & 15 if version else 0
        ignored.append((reader.at, reader.at + 2))  # which file they are in
        reader.number(2)
        numbers[number] = [(reader.at, reader.at + base_size)]
        base = reader.number(base_size)
        count = reader.number(2)
        room -= count
        if room < 0 or len(ignored) > MAX_BOXES or number in extents:
            raise NotAnImage("the file is damaged")
        if method > 1 or (method == 1 and idat is None):
            raise NotAnImage("the file is damaged")
        start, stop = (idat.body, idat.stop) if method == 1 and idat else (0, len(data))
        extents[number] = []
        for _ in range(count):
            ignored.append((reader.at, reader.at + index_size))
            reader.number(index_size)
            begin = start + base + reader.number(offset_size)
            end = begin + reader.number(length_size) if length_size else stop
            if not begin <= end <= stop:
                raise NotAnImage("the file is damaged or incomplete")
            extents[number].append((begin, end))
        numbers[number].append((reader.at - count * (index_size + offset_size + length_size), reader.at))
    return Locations(extents, numbers, ignored, reader.at)


def _associations(data: bytes, iprp: Box) -> dict[int, list[Association]]:
    """Which properties each item has. Raises: NotAnImage for too many."""
    found: defaultdict[int, list[Association]] = defaultdict(list)
    room = MAX_BOXES
    for ipma in boxes_in(data, iprp.body, iprp.stop):
        if ipma.kind != b"ipma":
            continue
        reader = Reader(data, ipma.body)
        version, flags = reader.version()
        size = 2 if flags & 1 else 1
        essential = 1 << (8 * size - 1)
        for _ in range(reader.number(4)):
            number = reader.number(4 if version else 2)
            count = reader.number(1)
            room -= 1 + count
            if room < 0:
                raise NotAnImage("the file is damaged")
            for _ in range(count):
                value = reader.number(size)
                said = Association(value & ~essential, value >= essential, reader.at - size, reader.at)
                found[number].append(said)
        if reader.at != ipma.stop:
            raise NotAnImage("the file is damaged or incomplete")
    return found


def kind(data: bytes) -> str:
    """`avif` or `heic`. Raises: FormatRefused for a video or a picture of another codec."""
    ftyp = _box(data, 0, len(data))
    brands = {data[ftyp.body : ftyp.body + 4]}
    brands |= {data[at : at + 4] for at in range(ftyp.body + 8, min(ftyp.stop, ftyp.body + 400), 4)}
    if brands & AVIF_BRANDS:
        return "avif"
    if brands & HEIC_BRANDS:
        return "heic"
    if brands & ANY_BRANDS:
        meta = read_meta(data, top_boxes(data))
        boxes = {box.kind for box in meta.properties(meta.primary)}
        if b"av1C" in boxes:
            return "avif"
        if b"hvcC" in boxes:
            return "heic"
    raise FormatRefused


def read_avif(data: bytes) -> Header:
    return _read(data, "avif")


def read_heic(data: bytes) -> Header:
    return _read(data, "heic")


def _read(data: bytes, format: str) -> Header:
    """The header, from the properties of the primary item; of a sequence the frames are counted."""
    boxes = top_boxes(data)
    meta = read_meta(data, boxes)
    applied = meta.properties(meta.primary)
    properties = {box.kind: box for box in applied}
    if b"ispe" not in properties:
        raise NotAnImage("the file is damaged: it does not say how large the picture is")
    width, height = struct.unpack_from(">II", data, properties[b"ispe"].body + 4)
    if format == "heic" and b"clap" in properties:  # viewers of AVIF show all of it
        across, by_across, down, by_down = struct.unpack_from(">IIII", data, properties[b"clap"].body)
        width, height = across // max(1, by_across), down // max(1, by_down)
    moov = next((box for box in boxes if box.kind == b"moov"), None)
    return Header(
        format,
        width,
        height,
        _orientation(data, applied),
        frames=_frames(data, moov) if moov else 1,
        bits=_bits(data, properties),
    )


def _orientation(data: bytes, properties: list[Box]) -> int:
    """What EXIF would call the rotation and mirroring; viewers of AVIF and HEIC obey only the properties."""
    turns = 0
    mirror: int | None = None
    for box in properties:
        if box.kind == b"irot":
            turns = data[box.body] & 3
        elif box.kind == b"imir":
            mirror = data[box.body] & 1
    return ORIENTATIONS[turns, mirror]


def _bits(data: bytes, properties: dict[bytes, Box]) -> int:
    if b"pixi" in properties:
        return data[properties[b"pixi"].body + 5]
    if b"av1C" in properties:
        flags = data[properties[b"av1C"].body + 2]
        return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return 8


def below(data: bytes, box: Box, *kinds: bytes) -> Box | None:
    """The box in the box in *box*, and so on."""
    found: Box | None = box
    for kind in kinds:
        found = child_of(data, found, kind) if found else None
    return found


def _frames(data: bytes, moov: Box) -> int:
    """The samples of the longest track."""
    tracks = [box for box in boxes_in(data, moov.body, moov.stop) if box.kind == b"trak"]
    tables = [below(data, track, b"mdia", b"minf", b"stbl", b"stsz") for track in tracks]
    return max([1, *(struct.unpack_from(">I", data, table.body + 8)[0] for table in tables if table)])
