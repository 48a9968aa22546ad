"""The filter of AVIF: of all boxes (see `heif`) those stay that a picture needs to be shown.

Offsets inside are counted from the start of the file, so nothing is moved: a filtered file begins as nothing but zeros,
and what a picture needs is copied to its place. What is not known here so never gets in.
"""

import struct
from bisect import bisect
from collections import defaultdict
from itertools import chain
from typing import NamedTuple

from imges.errors import NotAnImage
from imges.imaging.formats.heif import (
    ANY_BRANDS,
    AVIF_BRANDS,
    HEIC_BRANDS,
    MAX_BOXES,
    MEDIA,
    Box,
    Meta,
    Reader,
    below,
    boxes_in,
    child_of,
    entries_of,
    needed_child,
    read_meta,
    top_boxes,
)
from imges.imaging.formats.parts import MAX_ICC, Parts

OTHER_BRANDS = b"""
    avio MA1A MA1B miaf MiHA MiHB MiHE MiAn MiPr MiCm mif2 mif3 tmap av01 mp41 mp42 isom
    iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 isoa isob isoc
""".split()
BRANDS = {*AVIF_BRANDS, *HEIC_BRANDS, *ANY_BRANDS, *OTHER_BRANDS}
"""What a file may say of itself; everything else there could be text."""

ONCE = {b"ftyp", b"meta", b"moov"}
"""Boxes of the file itself that stay, the first of each, beside the media that are used."""

CODED = b"av01"
DERIVED = {b"grid": 12, b"tmap": 200, b"sato": 3000}
"""Items that say how others become a picture: of tiles, brighter by a gain map, of layers. And their most bytes."""
LAYERED = {b"tmap", b"sato"}
"""They show the primary item in another way, and are found by it."""
REFERENCES = {b"dimg", b"auxl", b"prem"}
ALPHA = {b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"}
PROPERTIES = {
    b"ispe": 12,
    b"pixi": 20,
    b"av1C": 100,
    b"colr": 4 + MAX_ICC,
    b"pasp": 8,
    b"clap": 32,
    b"irot": 1,
    b"imir": 1,
    b"ccst": 8,
    b"a1op": 1,
    b"a1lx": 13,
    b"lsel": 2,
    b"iscl": 12,
    b"clli": 4,
    b"mdcv": 24,
    b"cclv": 37,
    b"amve": 8,
    b"ndwt": 8,
    b"reve": 20,
}
"""What says how to show an item or a track, and its most bytes: more would be something else."""
COLOURS = {b"nclx": 11, b"nclc": 10, b"prof": 4 + MAX_ICC, b"rICC": 4 + MAX_ICC}
"""The kinds of `colr`."""

FOLDERS = {
    b"moov": {b"mvhd", b"trak"},
    b"trak": {b"tkhd", b"edts", b"tref", b"mdia"},
    b"edts": {b"elst"},
    b"tref": {b"auxl", b"prem"},
    b"mdia": {b"mdhd", b"hdlr", b"minf"},
    b"minf": {b"vmhd", b"dinf", b"stbl"},
    b"dinf": {b"dref"},
    b"stbl": {b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"co64", b"stss"},
}
"""Boxes of boxes in an image sequence, and what stays in them."""
HANDLERS = {b"pict", b"vide", b"auxv"}
"""Of tracks that are seen."""
CLOCKS = {b"mvhd": (100, 112), b"tkhd": (84, 96), b"mdhd": (24, 36)}
"""Boxes that say, among other things, when the file was made; their bytes in versions 0 and 1."""
TABLES = {
    b"stts": (8, 8),
    b"ctts": (8, 8),
    b"stsc": (12, 12),
    b"stco": (4, 4),
    b"co64": (8, 8),
    b"stss": (4, 4),
    b"elst": (12, 20),
}
"""Bytes of one entry in versions 0 and 1."""
SAMPLE_ENTRY = 78
"""Bytes of a sample entry before its boxes."""
SAMPLE_FIELDS = ((6, 8), (24, 36), (40, 42), (74, 78))
"""Which of them are numbers that count: the rest is reserved, or the name of a compressor."""
SELF = b"\0\0\0\0\0\0\0\1\0\0\0\x0curl \0\0\0\1"
"""A data reference that says: in this file."""

HANDLER = 12
"""Bytes of a `hdlr` before reserved ones and a name."""


class Reference(NamedTuple):
    """That the item *source* refers to *targets*; its box ends with them."""

    box: Box
    source: int
    targets: list[int]


class Shown(NamedTuple):
    """What of the meta box stays: the *items*, and how many bytes of each property, 0 where it goes."""

    meta: Meta
    references: list[Reference]
    sizes: list[int]
    items: set[int]


class _Copy:
    """The filtered file: zeros, and what was copied."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.clean = bytearray(len(data))

    def range(self, start: int, stop: int) -> None:
        self.clean[start:stop] = memoryview(self.data)[start:stop]

    def blank(self, start: int, stop: int) -> None:
        self.clean[start:stop] = bytes(stop - start)

    def head(self, box: Box) -> None:
        """Its type and size; what is in it comes after, or never."""
        self.range(box.start, box.body)

    def keep(self, box: Box, size: int) -> None:
        """It and the first *size* bytes in it. Raises: NotAnImage where it has fewer."""
        if box.body + size > box.stop:
            raise NotAnImage("the file is damaged or incomplete")
        self.range(box.start, box.body + size)

    def drop(self, box: Box) -> None:
        """A box of the same size with nothing in it, that no reader asks for."""
        self.head(box)
        self.clean[box.start + 4 : box.start + 8] = b"free"


def strip(data: bytes, _orientation: int) -> Parts:
    """The picture and what says how to show it: all else is zeros, what lies behind the last of it is gone.

    Raises: NotAnImage for a picture that cannot be shown without what is not known here.
    """
    copy = _Copy(data)
    top = top_boxes(data)
    first = {box.kind: box for box in reversed(top) if box.kind in ONCE}
    meta = read_meta(data, top)
    used = _copy_meta(copy, first[b"meta"], meta)
    if b"moov" in first:
        copy.head(first[b"moov"])
        used += _copy_movie(copy, first[b"moov"])
    _copy_brands(copy, first[b"ftyp"])
    media = [box for box in top if box.kind == MEDIA]
    media += [meta.boxes[b"idat"]] if b"idat" in meta.boxes else []
    kept = {*first.values(), *_copy_media(copy, sorted(media, key=lambda box: box.start), used)}
    end = 0
    for box in top:
        if box in kept:
            copy.head(box)
            end = box.stop
        else:
            copy.drop(box)
    return [memoryview(copy.clean)[:end]]


def _copy_brands(copy: _Copy, ftyp: Box) -> None:
    copy.head(ftyp)
    for at in (ftyp.body, *range(ftyp.body + 8, ftyp.stop - 3, 4)):
        if copy.data[at : at + 4] in BRANDS:
            copy.range(at, at + 4)


def _copy_media(copy: _Copy, media: list[Box], used: list[tuple[int, int]]) -> set[Box]:
    """The parts that are *used*, each byte once however many name it; and the boxes in which they are.

    Raises: NotAnImage for one that is not in one of the *media*.
    """
    runs: list[tuple[int, int]] = []
    for begin, end in sorted(used):
        if runs and begin <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        elif begin < end:
            runs.append((begin, end))
    starts = [box.body for box in media]
    full: set[Box] = set()
    for begin, end in runs:
        at = bisect(starts, begin) - 1
        if at < 0 or end > media[at].stop:
            raise NotAnImage("the file is damaged or incomplete")
        copy.range(begin, end)
        full.add(media[at])
    return full


# Items


def _copy_meta(copy: _Copy, box: Box, meta: Meta) -> list[tuple[int, int]]:
    """The meta box with what is shown; and where the bytes of that are."""
    data = copy.data
    if not meta.kinds.keys() >= {*meta.locations.extents, *meta.associations}:
        raise NotAnImage("the file is damaged: it names items that are not there")
    shown = _shown(data, meta)
    fields = {
        b"hdlr": HANDLER,
        b"pitm": 8 if data[meta.boxes[b"pitm"].body] else 6,
        b"iloc": meta.locations.stop - meta.boxes[b"iloc"].body,
        b"idat": 0,  # what items have in there comes later
    }
    folders = {b"iinf": _copy_entries, b"iref": _copy_references, b"iprp": _copy_properties, b"grpl": _copy_groups}
    copy.keep(box, 4)
    for child in boxes_in(data, box.body + 4, box.stop):
        if child == meta.boxes[child.kind] and child.kind in fields:
            copy.keep(child, fields[child.kind])
        elif child == meta.boxes[child.kind] and child.kind in folders:
            folders[child.kind](copy, child, shown)
        else:
            copy.drop(child)
    gone = [told for item, told in meta.locations.numbers.items() if item not in shown.items]
    for start, stop in chain(meta.locations.ignored, *gone):
        copy.blank(start, stop)
    return [extent for item in shown.items for extent in meta.locations.extents.get(item, [])]


def _references(data: bytes, iref: Box) -> list[Reference]:
    size = 4 if data[iref.body] else 2
    references: list[Reference] = []
    room = MAX_BOXES
    for box in boxes_in(data, iref.body + 4, iref.stop):
        reader = Reader(data, box.body)
        source, count = reader.number(size), reader.number(2)
        room -= count
        if room < 0 or reader.at + count * size != box.stop:
            raise NotAnImage("the file is damaged")
        references.append(Reference(box, source, [reader.number(size) for _ in range(count)]))
    return references


def _shown(data: bytes, meta: Meta) -> Shown:
    """The primary item, what it is made of, and what it is seen through or instead.

    Raises: NotAnImage where one of that has a type or an essential property that is not known here.
    """
    references = _references(data, meta.boxes[b"iref"]) if b"iref" in meta.boxes else []
    sizes = [_kept(data, box) for box in meta.every]
    near: defaultdict[int, list[int]] = defaultdict(list)
    made_of_it: defaultdict[int, list[int]] = defaultdict(list)
    for box, source, targets in references:
        if box.kind == b"dimg":
            near[source] += targets
        for target in targets:
            if box.kind == b"dimg":
                made_of_it[target].append(source)
            if box.kind == b"auxl" or meta.kinds.get(source) in LAYERED:
                near[target].append(source)
    alphas = {
        item
        for item in meta.associations
        if any(box.kind == b"auxC" and _kept(data, box) for box in meta.properties(item))
    }
    unknown = [item for item in {*meta.kinds, *made_of_it} if not _is_known(meta, sizes, item)]
    unknown += [source for box, source, _ in references if box.kind == b"auxl" and source not in alphas]
    items = _reached([meta.primary], near, _reached(unknown, made_of_it, set()))
    if not items:
        raise NotAnImage("the picture cannot be shown without something that is not in the standard")
    return Shown(meta, references, sizes, items)


def _reached(start: list[int], ways: dict[int, list[int]], never: set[int]) -> set[int]:
    """All that can be come to from *start*."""
    reached: set[int] = set()
    todo = list(start)
    while todo:
        item = todo.pop()
        if item not in reached and item not in never:
            reached.add(item)
            todo += ways.get(item, [])
    return reached


def _is_known(meta: Meta, sizes: list[int], item: int) -> bool:
    """Whether it has bytes, and its type and all properties without which it may not be shown are known here."""
    kind = meta.kinds.get(item, b"")
    lengths = [end - begin for begin, end in meta.locations.extents.get(item, [])]
    if not lengths or 0 in lengths or (kind != CODED and sum(lengths) > DERIVED.get(kind, 0)):
        return False
    return all(
        0 < said.which <= len(sizes) and sizes[said.which - 1]
        for said in meta.associations.get(item, [])
        if said.essential
    )


def _kept(data: bytes, box: Box) -> int:
    """How many bytes of a property stay; 0 where it goes."""
    size = box.stop - box.body
    if box.kind in (b"auxC", b"auxi"):
        name = data[box.body + 4 : box.stop].partition(b"\0")[0]
        return 4 + len(name) if name in ALPHA else 0
    if box.kind == b"colr":
        return size if size <= COLOURS.get(data[box.body : box.body + 4], 0) else 0
    return size if size <= PROPERTIES.get(box.kind, 0) else 0


def _copy_entries(copy: _Copy, iinf: Box, shown: Shown) -> None:
    """What the items are, without their names; those that go are left as items of a type that nobody reads."""
    copy.keep(iinf, 6 if copy.data[iinf.body] == 0 else 8)
    for infe in entries_of(copy.data, iinf):
        reader = Reader(copy.data, infe.body)
        version, _ = reader.version()
        item = reader.number(2 if version < 3 else 4)
        copy.keep(infe, reader.at - infe.body)
        if version >= 2:
            kind = slice(reader.at + 2, reader.at + 6)
            if kind.stop > infe.stop:
                raise NotAnImage("the file is damaged")
            copy.clean[kind] = shown.meta.kinds[item] if item in shown.items else b"free"


def _copy_references(copy: _Copy, iref: Box, shown: Shown) -> None:
    """Those between items that are shown."""
    kept = [
        box
        for box, source, targets in shown.references
        if box.kind in REFERENCES and shown.items.issuperset([source, *targets])
    ]
    _copy_list(copy, iref, 4, kept)


def _copy_groups(copy: _Copy, grpl: Box, _shown: Shown) -> None:
    """Items of which a reader shows the one that it can show best."""
    groups = [box for box in boxes_in(copy.data, grpl.body, grpl.stop) if box.kind == b"altr"]
    kept = [box for box in groups if box.body + _table_size(copy.data, box, 8, 4) == box.stop]
    _copy_list(copy, grpl, 0, kept)


def _copy_list(copy: _Copy, folder: Box, skip: int, kept: list[Box]) -> None:
    """A box with only some boxes in it, one behind the other: readers take all that is in there for one kind of thing.

    What is left of its room becomes a box of nothing behind it.
    """
    copy.keep(folder, skip)
    at = folder.body + skip
    for box in kept:
        size = box.stop - box.start
        copy.clean[at : at + size] = copy.data[box.start : box.stop]
        at += size
    if at == folder.stop:
        return
    copy.clean[at : at + 8] = struct.pack(">I4s", folder.stop - at, b"free")
    if folder.body - folder.start == 16:
        struct.pack_into(">Q", copy.clean, folder.start + 8, at - folder.start)
    else:
        struct.pack_into(">I", copy.clean, folder.start, at - folder.start)


def _copy_properties(copy: _Copy, iprp: Box, shown: Shown) -> None:
    """Properties that shown items have. Their places in the list are counted, so one that goes leaves a box behind."""
    ipco = child_of(copy.data, iprp, b"ipco")
    copy.head(iprp)
    for box in boxes_in(copy.data, iprp.body, iprp.stop):
        if box == ipco:
            copy.head(box)
        elif box.kind == b"ipma":
            copy.keep(box, box.stop - box.body)
        else:
            copy.drop(box)
    had: set[int] = set()
    for item, associations in shown.meta.associations.items():
        for which, _, start, stop in associations:
            if which > len(shown.sizes):
                copy.blank(start, stop)
            elif which and item in shown.items and shown.sizes[which - 1]:
                had.add(which)
            else:
                copy.clean[start] &= 0x7F  # readers need not know it to show the item; FFmpeg takes no 0 for it
    for which, (box, size) in enumerate(zip(shown.meta.every, shown.sizes, strict=True), 1):
        if which in had:
            copy.keep(box, size)
        else:
            copy.drop(box)


def _table_size(data: bytes, box: Box, at: int, entry: int) -> int:
    """Bytes of a box that ends with a table, whose number of entries of *entry* bytes stands at *at*."""
    (count,) = struct.unpack_from(">I", data, box.body + at)
    if count > MAX_BOXES:
        raise NotAnImage("the file is damaged")
    return at + 4 + count * entry


# Image sequences


def _copy_movie(copy: _Copy, folder: Box) -> list[tuple[int, int]]:
    """What is in a movie box, of the tracks that are seen; and where their samples are."""
    data = copy.data
    used: list[tuple[int, int]] = []
    seen: set[bytes] = set()
    for box in boxes_in(data, folder.body, folder.stop):
        if (
            box.kind not in FOLDERS[folder.kind]
            or box.kind in seen
            or (box.kind == b"trak" and not _is_seen(data, box))
        ):
            copy.drop(box)
            continue
        if box.kind != b"trak":
            seen.add(box.kind)
        if box.kind in FOLDERS:
            copy.head(box)
            used += _copy_movie(copy, box)
            if box.kind == b"stbl":
                used += _samples(data, box)
        else:
            _copy_leaf(copy, box)
    return used


def _copy_leaf(copy: _Copy, box: Box) -> None:
    """A box without boxes in it."""
    data = copy.data
    version = min(1, data[box.body])
    match box.kind:
        case b"mvhd" | b"tkhd" | b"mdhd":
            copy.keep(box, CLOCKS[box.kind][version])
            copy.blank(box.body + 4, box.body + (20 if version else 12))
            if box.kind == b"mvhd":  # 24 bytes that QuickTime had a use for
                end = box.body + CLOCKS[box.kind][version]
                copy.blank(end - 28, end - 4)
        case b"hdlr":
            copy.keep(box, HANDLER)
        case b"vmhd":
            copy.keep(box, 12)
        case b"dref" if data[box.body : box.stop] != SELF:
            copy.drop(box)
        case b"dref":
            copy.keep(box, len(SELF))
        case b"stsd":
            _copy_descriptions(copy, box)
        case b"stsz":
            copy.keep(box, 12 if any(data[box.body + 4 : box.body + 8]) else _table_size(data, box, 8, 4))
        case b"auxl" | b"prem":
            copy.keep(box, 4)
        case _:
            copy.keep(box, _table_size(data, box, 4, TABLES[box.kind][version]))


def _copy_descriptions(copy: _Copy, stsd: Box) -> None:
    """How the samples are coded, and properties as items have them."""
    copy.keep(stsd, 8)
    for entry in boxes_in(copy.data, stsd.body + 8, stsd.stop):
        copy.head(entry)
        for start, stop in SAMPLE_FIELDS:
            copy.range(entry.body + start, entry.body + stop)
        for box in boxes_in(copy.data, entry.body + SAMPLE_ENTRY, entry.stop):
            if size := _kept(copy.data, box):
                copy.keep(box, size)
            else:
                copy.drop(box)


def _is_seen(data: bytes, trak: Box) -> bool:
    """Whether a track is pictures, or what they are seen through."""
    hdlr = below(data, trak, b"mdia", b"hdlr")
    stsd = below(data, trak, b"mdia", b"minf", b"stbl", b"stsd")
    if hdlr is None or stsd is None or data[hdlr.body + 8 : hdlr.body + 12] not in HANDLERS:
        return False
    entries = list(boxes_in(data, stsd.body + 8, stsd.stop))
    if not entries or any(entry.kind != CODED or entry.stop < entry.body + SAMPLE_ENTRY for entry in entries):
        return False
    return all(
        box.kind != b"auxi" or _kept(data, box)
        for entry in entries
        for box in boxes_in(data, entry.body + SAMPLE_ENTRY, entry.stop)
    )


def _samples(data: bytes, stbl: Box) -> list[tuple[int, int]]:
    """Where the samples of a track are, those of a chunk together (ISO/IEC 14496-12, 8.7)."""
    stsz, stsc = needed_child(data, stbl, b"stsz"), needed_child(data, stbl, b"stsc")
    stco = child_of(data, stbl, b"stco")
    offsets = _table(data, stco or needed_child(data, stbl, b"co64"), "I" if stco else "Q")
    runs = _table(data, stsc, "III")
    each, left = struct.unpack_from(">II", data, stsz.body + 4)
    sizes = [] if each else [size for (size,) in _table(data, stsz, "I", 8)]
    used: list[tuple[int, int]] = []
    run, at = 0, 0
    for number, (offset,) in enumerate(offsets, 1):
        while run + 1 < len(runs) and runs[run + 1][0] <= number:
            run += 1
        count = min(runs[run][1], left) if runs else 0
        left -= count
        used.append((offset, offset + (count * each or sum(sizes[at : at + count]))))
        at += count
    return used


def _table(data: bytes, box: Box, entry: str, at: int = 4) -> list[tuple[int, ...]]:
    size = _table_size(data, box, at, struct.calcsize(">" + entry))
    if box.body + size > box.stop:
        raise NotAnImage("the file is damaged or incomplete")
    return list(struct.iter_unpack(">" + entry, data[box.body + at + 4 : box.body + size]))
