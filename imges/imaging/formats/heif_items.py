"""Items: the pictures of an AVIF or HEIC file, where their bytes are, and how they are shown.

All of it stands in the `meta` box (ISO/IEC 14496-12, 8.11; properties: ISO/IEC 23008-12, 9.3). A few bytes of it can
name the same bytes of the file thousands of times, so each list has a bound for the whole file, not only for each item.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from imges.errors import NotAnImage
from imges.imaging.formats import removed
from imges.imaging.formats.heif_boxes import DAMAGED, INCOMPLETE, MAX_ENTRIES, Box, Reader, boxes_in, needed_child

MAX_EXTENTS = 10_000
"""Most extents of all items together."""

FILE_INDEX = 2
"""Bytes that say in which file an item is. No viewer shows a picture that needs a second file."""


class Locations(NamedTuple):
    """Where the bytes of the items are. The `iloc` box is read up to *stop*."""

    extents: dict[int, list[tuple[int, int]]]
    """For each item, from where to where its parts stand in the file."""
    numbers: dict[int, list[tuple[int, int]]]
    """For each item, where the numbers of its extents stand."""
    ignored: list[tuple[int, int]]
    """Where numbers stand that are not used to find an item."""
    stop: int


class Association(NamedTuple):
    """Says, in the bytes from *start* to *stop*, that an item has the property *which*, counted from 1."""

    which: int
    essential: bool
    """Whether a reader that does not know the property must not show the item."""
    start: int
    stop: int


class Meta(NamedTuple):
    """What the `meta` box says."""

    boxes: dict[bytes, Box]
    """The boxes in it, the first of each type."""
    kinds: dict[int, bytes]
    """The type of each item."""
    locations: Locations
    primary: int
    """The item that is the picture."""
    every: list[Box]
    """All properties; associations count them from 1."""
    associations: dict[int, list[Association]]

    def properties(self, item: int) -> list[Box]:
        """The properties of one item, in the order in which they apply."""
        numbers = [association.which for association in self.associations.get(item, [])]
        return [self.every[number - 1] for number in numbers if 0 < number <= len(self.every)]


class Reference(NamedTuple):
    """Says that the item *source* refers to *targets*; its *box* ends with their numbers."""

    box: Box
    source: int
    targets: list[int]


def read_meta(data: bytes, boxes: list[Box]) -> Meta:
    """What the first `meta` box among *boxes* says. Raises `NotAnImage` if there is none, or it lacks a needed part."""
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


def about(data: bytes, meta: Meta) -> set[str]:
    """What the items that are not pictures tell: kinds of `imges.imaging.formats.removed`."""
    found: set[str] = set()
    for item, kind in meta.kinds.items():
        if kind not in (b"Exif", b"mime"):
            continue
        content = b"".join(data[start:stop] for start, stop in meta.locations.extents.get(item, ())[:1])
        if kind == b"mime":
            found |= removed.in_text(content)
        elif len(content) > 4:  # it begins with where the TIFF stands
            found |= removed.in_exif(content[4 + int.from_bytes(content[:4]) :])
    return found


def entries_of(data: bytes, iinf: Box) -> Iterator[Box]:
    """The `infe` boxes, one for each item; the number of them before the first has 2 or 4 bytes."""
    return boxes_in(data, iinf.body + (6 if data[iinf.body] == 0 else 8), iinf.stop)


def _kinds(data: bytes, iinf: Box) -> dict[int, bytes]:
    """The types of the items by their numbers. Raises `NotAnImage` if a number is there twice."""
    kinds: dict[int, bytes] = {}
    for infe in entries_of(data, iinf):
        reader = Reader(data, infe.body)
        version, _ = reader.version()
        number = reader.number(2 if version < 3 else 4)
        if infe.kind != b"infe" or number in kinds:
            raise NotAnImage(DAMAGED)
        kinds[number] = data[reader.at + 2 : reader.at + 6] if version >= 2 else b"mime"
    return kinds


class _Widths(NamedTuple):
    """How many bytes the numbers of an `iloc` box have, by its version and its own word (ISO/IEC 14496-12, 8.11.3)."""

    item: int
    method: int
    base: int
    extent_index: int
    offset: int
    length: int

    @property
    def extent(self) -> int:
        """The bytes of all numbers of one extent."""
        return self.extent_index + self.offset + self.length


class _Entry(NamedTuple):
    """The fields of one item in an `iloc` box, before its extents."""

    item: int
    method: int
    file: tuple[int, int]
    """Where the number of its file stands."""
    base_at: tuple[int, int]
    """Where *base* stands."""
    base: int
    extents: int
    """How many extents follow."""


def _locations(data: bytes, iloc: Box, idat: Box | None) -> Locations:
    """The items' extents.

    Raises `NotAnImage` if an extent lies outside the file, an item is there twice, or there are too many of either.
    """
    reader = Reader(data, iloc.body)
    widths = _widths(reader)
    found = Locations({}, {}, [], 0)
    room = MAX_EXTENTS
    for _ in range(reader.number(widths.item)):
        entry = _entry(reader, widths)
        found.ignored.append(entry.file)
        room -= entry.extents
        if room < 0 or len(found.ignored) > MAX_ENTRIES or entry.item in found.extents:
            raise NotAnImage(DAMAGED)
        start, stop = _source(entry.method, idat, len(data))
        begun = reader.at
        found.extents[entry.item] = [_extent(reader, widths, start + entry.base, stop) for _ in range(entry.extents)]
        found.numbers[entry.item] = [entry.base_at, (begun, reader.at)]
        found.ignored.extend(_indexes(widths, begun, entry.extents))
    return found._replace(stop=reader.at)


def _widths(reader: Reader) -> _Widths:
    version, _ = reader.version()
    sizes = reader.number(2)
    return _Widths(
        item=4 if version == 2 else 2,
        method=2 if version else 0,
        base=sizes >> 4 & 15,
        extent_index=sizes & 15 if version else 0,
        offset=sizes >> 12,
        length=sizes >> 8 & 15,
    )


def _entry(reader: Reader, widths: _Widths) -> _Entry:
    item = reader.number(widths.item)
    method = reader.number(widths.method) & 15
    file = reader.passed(FILE_INDEX)
    base_at = (reader.at, reader.at + widths.base)
    return _Entry(item, method, file, base_at, reader.number(widths.base), reader.number(2))


def _source(method: int, idat: Box | None, size: int) -> tuple[int, int]:
    """From where to where an item's bytes may stand: in the file of *size* bytes, or in the `idat` box.

    Raises `NotAnImage` if there is no `idat` box, or if the bytes are made from another item's (method 2).
    """
    if method == 0:
        return 0, size
    if method > 1 or idat is None:
        raise NotAnImage(DAMAGED)
    return idat.body, idat.stop


def _extent(reader: Reader, widths: _Widths, base: int, stop: int) -> tuple[int, int]:
    """From where to where one part of an item stands. Raises `NotAnImage` if it reaches beyond *stop*."""
    reader.passed(widths.extent_index)
    begin = base + reader.number(widths.offset)
    end = begin + reader.number(widths.length) if widths.length else stop
    if not begin <= end <= stop:
        raise NotAnImage(INCOMPLETE)
    return begin, end


def _indexes(widths: _Widths, begun: int, count: int) -> list[tuple[int, int]]:
    """Where the indexes of *count* extents stand. The first extent begins at *begun*."""
    starts = [begun + number * widths.extent for number in range(count)]
    return [(start, start + widths.extent_index) for start in starts]


def _associations(data: bytes, iprp: Box) -> dict[int, list[Association]]:
    """Which properties each item has. Raises `NotAnImage` if there are too many of them."""
    found: defaultdict[int, list[Association]] = defaultdict(list)
    room = MAX_ENTRIES
    for ipma in boxes_in(data, iprp.body, iprp.stop):
        if ipma.kind == b"ipma":
            room = _read_associations(data, ipma, found, room)
    return found


def _read_associations(data: bytes, ipma: Box, found: defaultdict[int, list[Association]], room: int) -> int:
    """Add those of one box to *found*; returns how many more there may be."""
    reader = Reader(data, ipma.body)
    version, flags = reader.version()
    size = 2 if flags & 1 else 1
    for _ in range(reader.number(4)):
        number = reader.number(4 if version else 2)
        count = reader.number(1)
        room -= 1 + count
        if room < 0:
            raise NotAnImage(DAMAGED)
        for _ in range(count):
            found[number].append(_association(reader, size))
    if reader.at != ipma.stop:
        raise NotAnImage(INCOMPLETE)
    return room


def _association(reader: Reader, size: int) -> Association:
    """The next one, a number of *size* bytes whose highest bit says that the property is essential."""
    start, stop = reader.passed(size)
    value = int.from_bytes(reader.data[start:stop])
    essential = 1 << (8 * size - 1)
    return Association(value & ~essential, value >= essential, start, stop)


def read_references(data: bytes, meta: Meta) -> list[Reference]:
    """Which items refer to which (ISO/IEC 14496-12, 8.11.12). Raises `NotAnImage` if there are too many references."""
    if b"iref" not in meta.boxes:
        return []
    iref = meta.boxes[b"iref"]
    size = 4 if data[iref.body] else 2
    references: list[Reference] = []
    room = MAX_ENTRIES
    for box in boxes_in(data, iref.body + 4, iref.stop):
        reader = Reader(data, box.body)
        source, count = reader.number(size), reader.number(2)
        room -= count
        if room < 0 or reader.at + count * size != box.stop:
            raise NotAnImage(DAMAGED)
        references.append(Reference(box, source, [reader.number(size) for _ in range(count)]))
    return references
