"""AVIF and HEIC: items and their properties in ISO base media boxes (ISO/IEC 14496-12, 23008-12).

Offsets inside are counted from the start of the file, so nothing is moved: what has to go is overwritten in place.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from imges.errors import FormatRefused, NotAnImage
from imges.imaging.formats import exif
from imges.imaging.formats.parts import Parts
from imges.imaging.types import Header

AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
ANY_BRANDS = {b"mif1", b"msf1"}
"""HEIF of a codec that only the items tell."""

MEDIA = b"mdat"
TOP = {b"ftyp", b"meta", b"moov", MEDIA, b"free", b"skip", b"uuid", b"styp", b"sidx", b"idat"}
"""Boxes that a file is made of; behind the last of them begins what is not the picture's."""
INERT = {b"free", b"skip", b"uuid", b"udta"}
"""Boxes that no decoder needs, wherever they stand."""
FOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
CLOCKS = {b"mvhd", b"tkhd", b"mdhd"}
"""Boxes that say when the file was made."""
METADATA = {b"Exif", b"mime", b"uri "}
"""Item types; `mime` is XMP, among others."""
MAX_EXTENTS = 10_000
MAX_BOXES = 100_000

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


class Item(NamedTuple):
    """One item of the meta box: its type, and the extents in the file that hold its bytes."""

    kind: bytes
    extents: list[tuple[int, int]]


class Meta(NamedTuple):
    """What the meta box says: the items by number, the number of the picture's, and the picture's properties."""

    items: dict[int, Item]
    primary: int
    properties: list[Box]


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


def _boxes(data: bytes, at: int, stop: int) -> Iterator[Box]:
    for _ in range(MAX_BOXES):
        if at >= stop:
            return
        box = _box(data, at, stop)
        yield box
        at = box.stop
    raise NotAnImage("the file is damaged")


def _top(data: bytes) -> list[Box]:
    """The boxes of the file itself, up to the first thing that is none."""
    boxes: list[Box] = []
    at = 0
    while at + 8 <= len(data) and data[at + 4 : at + 8] in TOP and len(boxes) < MAX_BOXES:
        boxes.append(_box(data, at, len(data)))
        at = boxes[-1].stop
    return boxes


def _child(data: bytes, parent: Box, kind: bytes, skip: int = 0) -> Box | None:
    return next((box for box in _boxes(data, parent.body + skip, parent.stop) if box.kind == kind), None)


def _needed(data: bytes, parent: Box, kind: bytes, skip: int = 0) -> Box:
    box = _child(data, parent, kind, skip)
    if box is None:
        raise NotAnImage("the file is damaged: it does not say where the picture is")
    return box


class _Reader:
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


def _meta(data: bytes, boxes: list[Box]) -> Meta:
    meta = next((box for box in boxes if box.kind == b"meta"), None)
    if meta is None:
        raise NotAnImage("the file has no picture in it")
    kinds = _kinds(data, _needed(data, meta, b"iinf", 4))
    idat = _child(data, meta, b"idat", 4)
    places = _places(data, _needed(data, meta, b"iloc", 4), idat)
    items = {number: Item(kind, places.get(number, [])) for number, kind in kinds.items()}
    pitm = _Reader(data, _needed(data, meta, b"pitm", 4).body)
    version, _ = pitm.version()
    primary = pitm.number(4 if version else 2)
    return Meta(items, primary, _properties(data, _needed(data, meta, b"iprp", 4), primary))


def _kinds(data: bytes, iinf: Box) -> dict[int, bytes]:
    """The items' types by their numbers."""
    skip = 6 if data[iinf.body] == 0 else 8
    kinds: dict[int, bytes] = {}
    for infe in _boxes(data, iinf.body + skip, iinf.stop):
        reader = _Reader(data, infe.body)
        version, _ = reader.version()
        number = reader.number(2 if version < 3 else 4)
        kinds[number] = data[reader.at + 2 : reader.at + 6] if version >= 2 else b"mime"
    return kinds


def _places(data: bytes, iloc: Box, idat: Box | None) -> dict[int, list[tuple[int, int]]]:
    """The items' extents in the file. Raises: NotAnImage for one that lies outside."""
    reader = _Reader(data, iloc.body)
    version, _ = reader.version()
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    places: dict[int, list[tuple[int, int]]] = {}
    room = MAX_EXTENTS
    for _ in range(reader.number(4 if version == 2 else 2)):
        number = reader.number(4 if version == 2 else 2)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        base = reader.number(base_size)
        count = reader.number(2)
        room -= count
        if room < 0 or method > 1 or (method == 1 and idat is None):
            raise NotAnImage("the file is damaged")
        start, stop = (idat.body, idat.stop) if method == 1 and idat else (0, len(data))
        places[number] = []
        for _ in range(count):
            reader.number(index_size)
            begin = start + base + reader.number(offset_size)
            end = begin + reader.number(length_size) if length_size else stop
            if not begin <= end <= stop:
                raise NotAnImage("the file is damaged or incomplete")
            places[number].append((begin, end))
    return places


def _properties(data: bytes, iprp: Box, item: int) -> list[Box]:
    """The properties of one item, in the order in which they apply."""
    every = list(_boxes(data, (ipco := _needed(data, iprp, b"ipco")).body, ipco.stop))
    reader = _Reader(data, _needed(data, iprp, b"ipma").body)
    version, flags = reader.version()
    for _ in range(reader.number(4)):
        number = reader.number(4 if version else 2)
        indexes = [reader.number(2) & 0x7FFF if flags & 1 else reader.number(1) & 0x7F for _ in range(reader.number(1))]
        if number == item:
            return [every[index - 1] for index in indexes if 0 < index <= len(every)]
    return []


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
        meta = _meta(data, _top(data))
        boxes = {box.kind for box in meta.properties}
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
    boxes = _top(data)
    meta = _meta(data, boxes)
    properties = {box.kind: box for box in meta.properties}
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
        _orientation(data, meta.properties),
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


def _inside(data: bytes, box: Box) -> Iterator[Box]:
    """All boxes below a movie box, folders opened."""
    for child in _boxes(data, box.body, box.stop):
        yield child
        if child.kind in FOLDERS:
            yield from _inside(data, child)


def _frames(data: bytes, moov: Box) -> int:
    """The samples of the longest track."""
    counts = [struct.unpack_from(">I", data, box.body + 8)[0] for box in _inside(data, moov) if box.kind == b"stsz"]
    return max(1, *counts) if counts else 1


def strip(data: bytes, _orientation: int) -> Parts:
    """The same boxes: bytes of metadata items and inert boxes are overwritten, what lies behind the last is gone."""
    boxes = _top(data)
    meta = _meta(data, boxes)
    blank = bytearray(data[: boxes[-1].stop])
    for item in meta.items.values():
        if item.kind in METADATA:
            for begin, end in item.extents:
                blank[begin:end] = bytes(end - begin)
            if item.kind == b"Exif":
                _write_empty_exif(blank, item.extents)
    for box in _everywhere(data, boxes):
        if box.kind in INERT or (box.kind == b"meta" and box not in boxes):
            blank[box.start + 4 : box.start + 8] = b"free"
            blank[box.body : box.stop] = bytes(box.stop - box.body)
        elif box.kind in CLOCKS:
            times = slice(box.body + 4, box.body + (20 if data[box.body] else 12))
            blank[times] = bytes(times.stop - times.start)
    return [bytes(blank)]


def _everywhere(data: bytes, boxes: list[Box]) -> Iterator[Box]:
    for box in boxes:
        yield box
        if box.kind == b"moov":
            yield from _inside(data, box)


def _write_empty_exif(blank: bytearray, extents: list[tuple[int, int]]) -> None:
    """An Exif item must hold a TIFF structure, behind the offset of its start; some decoders refuse the file else."""
    for begin, end in extents[:1]:
        if end - begin >= 4 + len(exif.EMPTY):
            blank[begin + 4 : begin + 4 + len(exif.EMPTY)] = exif.EMPTY
