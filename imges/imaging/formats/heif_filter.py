"""The filter of AVIF: of all boxes (see `heif_boxes`) those stay that a picture needs to be shown.

The format has room for text in dozens of places, and encoders invent more. So the filter does not look for text to take
off: it begins with a file of zeros, and copies what is shown to its place. What is not known here never gets in.
"""

import struct
from bisect import bisect
from collections.abc import Callable
from itertools import chain
from types import MappingProxyType

from imges.errors import NotAnImage
from imges.imaging.formats import removed
from imges.imaging.formats.heif import ANY_BRANDS, AVIF_BRANDS, HEIC_BRANDS
from imges.imaging.formats.heif_boxes import (
    DAMAGED,
    INCOMPLETE,
    MEDIA,
    Box,
    Reader,
    boxes_in,
    child_of,
    table_size,
    top_boxes,
)
from imges.imaging.formats.heif_copy import NOTHING, Copy
from imges.imaging.formats.heif_items import Meta, about, entries_of, read_meta
from imges.imaging.formats.heif_movie import HANDLER, copy_movie
from imges.imaging.formats.heif_shown import Shown, read_shown
from imges.imaging.formats.parts import Filtered

OTHER_BRANDS = b"""
    avio MA1A MA1B miaf MiHA MiHB MiHE MiAn MiPr MiCm mif2 mif3 tmap av01 mp41 mp42 isom
    iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 isoa isob isoc
""".split()
BRANDS = {*AVIF_BRANDS, *HEIC_BRANDS, *ANY_BRANDS, *OTHER_BRANDS}
"""What a file may say that it is; any other four bytes there could be text."""

ONCE = {b"ftyp", b"meta", b"moov"}
"""Boxes of the file itself that stay, the first of each, beside the media that are used."""

REFERENCES = {b"dimg", b"auxl", b"prem"}
"""Kinds of references that say how to show an item. Others lead to thumbnails, Exif and XMP."""

NOT_ESSENTIAL = 0x7F
"""An association's first byte without the bit that says that a reader must know the property."""


def strip(data: bytes, _orientation: int) -> Filtered:
    """The picture and what says how to show it. All else is zeros, and what lies behind the last of it is gone.

    Raises `NotAnImage` if the picture cannot be shown without something that is not known here.
    """
    copy = Copy(data)
    top = top_boxes(data)
    first = {box.kind: box for box in reversed(top) if box.kind in ONCE}
    meta = read_meta(data, top)
    used = _copy_meta(copy, first[b"meta"], meta)
    if b"moov" in first:
        copy.head(first[b"moov"])
        used += copy_movie(copy, first[b"moov"])
    _copy_brands(copy, first[b"ftyp"])
    media = [box for box in top if box.kind == MEDIA]
    media += [meta.boxes[b"idat"]] if b"idat" in meta.boxes else []
    kept = {*first.values(), *_copy_media(copy, sorted(media, key=lambda box: box.start), used)}
    end = _copy_heads(copy, top, kept)
    behind = {removed.OTHER} if len(data) > end else set[str]()
    return Filtered([memoryview(copy.clean)[:end]], removed=frozenset(behind | about(data, meta)))


def _copy_heads(copy: Copy, top: list[Box], kept: set[Box]) -> int:
    """Copy the headers of the boxes on *top*; returns where the last one ends that is *kept*."""
    end = 0
    for box in top:
        if box in kept:
            copy.head(box)
            end = box.stop
        else:
            copy.drop(box)
    return end


def _copy_brands(copy: Copy, ftyp: Box) -> None:
    """Copy what the file says that it is: one brand, a version, which goes, and a list of brands."""
    copy.head(ftyp)
    for at in (ftyp.body, *range(ftyp.body + 8, ftyp.stop - 3, 4)):
        if copy.data[at : at + 4] in BRANDS:
            copy.range(at, at + 4)


def _copy_media(copy: Copy, media: list[Box], used: list[tuple[int, int]]) -> set[Box]:
    """Copy the parts that are *used*; returns the boxes that they are in.

    Each byte is copied once: a file of a few bytes can name 8 MB a thousand times.
    Raises `NotAnImage` if a part is not inside one of the *media*.
    """
    starts = [box.body for box in media]
    full: set[Box] = set()
    for begin, end in _joined(used):
        at = bisect(starts, begin) - 1
        if at < 0 or end > media[at].stop:
            raise NotAnImage(INCOMPLETE)
        copy.range(begin, end)
        full.add(media[at])
    return full


def _joined(used: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same bytes as *used* in order, without overlaps and without empty parts."""
    runs: list[tuple[int, int]] = []
    for begin, end in sorted(used):
        if runs and begin <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        elif begin < end:
            runs.append((begin, end))
    return runs


# The meta box


def _copy_meta(copy: Copy, box: Box, meta: Meta) -> list[tuple[int, int]]:
    """Copy what is shown of the `meta` box; returns where the bytes of the shown items stand."""
    data = copy.data
    if not meta.kinds.keys() >= {*meta.locations.extents, *meta.associations}:
        raise NotAnImage("the file is damaged: it names items that are not there")
    shown = read_shown(data, meta)
    fields = {
        b"hdlr": HANDLER,
        b"pitm": 8 if data[meta.boxes[b"pitm"].body] else 6,
        b"iloc": meta.locations.stop - meta.boxes[b"iloc"].body,
        b"idat": 0,  # what items have in there is copied with the media
    }
    copy.keep(box, 4)
    for child in boxes_in(data, box.body + 4, box.stop):
        if child == meta.boxes[child.kind] and child.kind in fields:
            copy.keep(child, fields[child.kind])
        elif child == meta.boxes[child.kind] and child.kind in FOLDERS:
            FOLDERS[child.kind](copy, child, shown)
        else:
            copy.drop(child)
    gone = [numbers for item, numbers in meta.locations.numbers.items() if item not in shown.items]
    for start, stop in chain(meta.locations.ignored, *gone):
        copy.blank(start, stop)
    return [extent for item in shown.items for extent in meta.locations.extents.get(item, [])]


def _copy_entries(copy: Copy, iinf: Box, shown: Shown) -> None:
    """Copy what the items are, without their names. An item that goes stays as one of a type that no reader knows."""
    copy.keep(iinf, 6 if copy.data[iinf.body] == 0 else 8)
    for infe in entries_of(copy.data, iinf):
        reader = Reader(copy.data, infe.body)
        version, _ = reader.version()
        item = reader.number(2 if version < 3 else 4)
        copy.keep(infe, reader.at - infe.body)
        if version >= 2:
            kind = slice(reader.at + 2, reader.at + 6)
            if kind.stop > infe.stop:
                raise NotAnImage(DAMAGED)
            copy.clean[kind] = shown.meta.kinds[item] if item in shown.items else NOTHING


def _copy_references(copy: Copy, iref: Box, shown: Shown) -> None:
    """Copy the references between items that are shown."""
    kept = [
        box
        for box, source, targets in shown.references
        if box.kind in REFERENCES and shown.items.issuperset([source, *targets])
    ]
    _copy_list(copy, iref, 4, kept)


def _copy_groups(copy: Copy, grpl: Box, _shown: Shown) -> None:
    """Copy the groups of alternatives: of those items a reader shows the one that it can show best."""
    groups = [box for box in boxes_in(copy.data, grpl.body, grpl.stop) if box.kind == b"altr"]
    kept = [box for box in groups if box.body + table_size(copy.data, box, 8, 4) == box.stop]
    _copy_list(copy, grpl, 0, kept)


def _copy_list(copy: Copy, folder: Box, skip: int, kept: list[Box]) -> None:
    """Copy *folder* with only the *kept* boxes in it, one behind the other, after *skip* bytes.

    A `free` box among them would not do: readers take every box in there for a reference or a group. So the folder is
    made shorter, and the rest of its room becomes a `free` box behind it.
    """
    copy.keep(folder, skip)
    at = folder.body + skip
    for box in kept:
        size = box.stop - box.start
        copy.clean[at : at + size] = copy.data[box.start : box.stop]
        at += size
    if at == folder.stop:
        return
    copy.clean[at : at + 8] = struct.pack(">I4s", folder.stop - at, NOTHING)
    if folder.body - folder.start == 16:
        struct.pack_into(">Q", copy.clean, folder.start + 8, at - folder.start)
    else:
        struct.pack_into(">I", copy.clean, folder.start, at - folder.start)


def _copy_properties(copy: Copy, iprp: Box, shown: Shown) -> None:
    """Copy the properties that shown items have, and which item has which.

    Associations count the places in the list, so a property that goes leaves an empty box behind.
    """
    ipco = child_of(copy.data, iprp, b"ipco")
    copy.head(iprp)
    for box in boxes_in(copy.data, iprp.body, iprp.stop):
        if box == ipco:
            copy.head(box)
        elif box.kind == b"ipma":
            copy.keep(box, box.stop - box.body)
        else:
            copy.drop(box)
    had = _clean_associations(copy, shown)
    for which, (box, size) in enumerate(zip(shown.meta.every, shown.sizes, strict=True), 1):
        if which in had:
            copy.keep(box, size)
        else:
            copy.drop(box)


def _clean_associations(copy: Copy, shown: Shown) -> set[int]:
    """Blank the associations that lead nowhere; returns which properties shown items have.

    An association that goes is no longer essential, but keeps its number: FFmpeg takes no 0 for it.
    """
    had: set[int] = set()
    for item, associations in shown.meta.associations.items():
        for which, _, start, stop in associations:
            if which > len(shown.sizes):
                copy.blank(start, stop)
            elif which and item in shown.items and shown.sizes[which - 1]:
                had.add(which)
            else:
                copy.clean[start] &= NOT_ESSENTIAL
    return had


FOLDERS: MappingProxyType[bytes, Callable[[Copy, Box, Shown], None]] = MappingProxyType(
    {b"iinf": _copy_entries, b"iref": _copy_references, b"iprp": _copy_properties, b"grpl": _copy_groups}
)
"""Boxes of boxes in the `meta` box, and what copies them."""
