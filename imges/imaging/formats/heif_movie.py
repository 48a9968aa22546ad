"""The filter of image sequences (`avis`): of a movie box those tracks and tables stay that are seen.

A track may be text in time, such as XMP, and each box has room for a name. So this too is an allow list, and of each
box only the bytes are copied whose meaning is known. All sections are those of ISO/IEC 14496-12.
"""

import struct
from collections.abc import Callable, Iterator
from types import MappingProxyType

from imges.errors import NotAnImage
from imges.imaging.formats.heif_boxes import INCOMPLETE, Box, below, boxes_in, child_of, needed_child, table_size
from imges.imaging.formats.heif_copy import Copy
from imges.imaging.formats.heif_shown import CODED, kept

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
"""Boxes of boxes, and what stays in them."""
HANDLERS = {b"pict", b"vide", b"auxv"}
"""The handlers of tracks that are seen."""
CLOCKS = {b"mvhd": (100, 112), b"tkhd": (84, 96), b"mdhd": (24, 36)}
"""Boxes that say, among other things, when the file was made; their bytes in versions 0 and 1."""
HANDLER = 12
"""Bytes of a `hdlr` box before the reserved ones and a name (8.4.3)."""
FIXED = {b"hdlr": HANDLER, b"vmhd": 12, b"auxl": 4, b"prem": 4}
"""Boxes that always have this many bytes."""
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
"""Bytes of a visual sample entry before its boxes (12.1.3)."""
SAMPLE_FIELDS = ((6, 8), (24, 36), (40, 42), (74, 78))
"""Which of them are numbers that count: the rest is reserved, or the name of a compressor."""
SELF = b"\0\0\0\0\0\0\0\1\0\0\0\x0curl \0\0\0\1"
"""A data reference that says: in this file (8.7.2). Another would be an address."""


def copy_movie(copy: Copy, folder: Box) -> list[tuple[int, int]]:
    """Copy what is shown of a movie box or of a box in it; returns where the samples of its tracks stand."""
    used: list[tuple[int, int]] = []
    seen: set[bytes] = set()
    for box in boxes_in(copy.data, folder.body, folder.stop):
        if not _stays(copy.data, folder, box, seen):
            copy.drop(box)
            continue
        seen.add(box.kind)
        if box.kind not in FOLDERS:
            _copy_leaf(copy, box)
            continue
        copy.head(box)
        used += copy_movie(copy, box)
        if box.kind == b"stbl":
            used += _samples(copy.data, box)
    return used


def _stays(data: bytes, folder: Box, box: Box, seen: set[bytes]) -> bool:
    """Whether *box* stays in its *folder*, after the kinds that were *seen* there: a second one could be anything.

    There may be several tracks.
    """
    if box.kind not in FOLDERS[folder.kind]:
        return False
    return _is_seen(data, box) if box.kind == b"trak" else box.kind not in seen


def _copy_leaf(copy: Copy, box: Box) -> None:
    """Copy what counts in a box without boxes in it."""
    version = min(1, copy.data[box.body])
    if box.kind in CLOCKS:
        _copy_clock(copy, box, version)
    elif box.kind in FIXED:
        copy.keep(box, FIXED[box.kind])
    elif box.kind in TABLES:
        copy.keep(box, table_size(copy.data, box, 4, TABLES[box.kind][version]))
    else:
        LEAVES[box.kind](copy, box)


def _copy_clock(copy: Copy, box: Box, version: int) -> None:
    """Copy a header without the times at which the file was made and changed."""
    size = CLOCKS[box.kind][version]
    copy.keep(box, size)
    copy.blank(box.body + 4, box.body + (20 if version else 12))
    if box.kind == b"mvhd":  # 24 bytes that QuickTime had a use for
        copy.blank(box.body + size - 28, box.body + size - 4)


def _copy_data_reference(copy: Copy, dref: Box) -> None:
    if copy.data[dref.body : dref.stop] == SELF:
        copy.keep(dref, len(SELF))
    else:
        copy.drop(dref)


def _copy_sample_sizes(copy: Copy, stsz: Box) -> None:
    """Copy the sizes: one for all samples, or if that is 0 a table of them (8.7.3)."""
    same = any(copy.data[stsz.body + 4 : stsz.body + 8])
    copy.keep(stsz, 12 if same else table_size(copy.data, stsz, 8, 4))


def _copy_descriptions(copy: Copy, stsd: Box) -> None:
    """Copy how the samples are coded, and properties such as items have."""
    copy.keep(stsd, 8)
    for entry in boxes_in(copy.data, stsd.body + 8, stsd.stop):
        copy.head(entry)
        for start, stop in SAMPLE_FIELDS:
            copy.range(entry.body + start, entry.body + stop)
        for box in boxes_in(copy.data, entry.body + SAMPLE_ENTRY, entry.stop):
            if size := kept(copy.data, box):
                copy.keep(box, size)
            else:
                copy.drop(box)


LEAVES: MappingProxyType[bytes, Callable[[Copy, Box], None]] = MappingProxyType(
    {b"dref": _copy_data_reference, b"stsz": _copy_sample_sizes, b"stsd": _copy_descriptions}
)
"""Boxes that are neither a clock, nor a table, nor of fixed size."""


def _is_seen(data: bytes, trak: Box) -> bool:
    """Whether a track is pictures, or their transparency."""
    hdlr = below(data, trak, b"mdia", b"hdlr")
    stsd = below(data, trak, b"mdia", b"minf", b"stbl", b"stsd")
    if hdlr is None or stsd is None or data[hdlr.body + 8 : hdlr.body + 12] not in HANDLERS:
        return False
    entries = list(boxes_in(data, stsd.body + 8, stsd.stop))
    if not entries or any(entry.kind != CODED or entry.stop < entry.body + SAMPLE_ENTRY for entry in entries):
        return False
    return all(
        box.kind != b"auxi" or kept(data, box)
        for entry in entries
        for box in boxes_in(data, entry.body + SAMPLE_ENTRY, entry.stop)
    )


def _samples(data: bytes, stbl: Box) -> list[tuple[int, int]]:
    """Where the samples of a track stand; the samples of a chunk stand one behind the other (8.7)."""
    stsz, stsc = needed_child(data, stbl, b"stsz"), needed_child(data, stbl, b"stsc")
    stco = child_of(data, stbl, b"stco")
    offsets = _table(data, stco or needed_child(data, stbl, b"co64"), "I" if stco else "Q")
    runs = _table(data, stsc, "III")
    each, left = struct.unpack_from(">II", data, stsz.body + 4)
    sizes = [] if each else [size for (size,) in _table(data, stsz, "I", 8)]
    used: list[tuple[int, int]] = []
    at = 0
    for (offset,), count in zip(offsets, _counts(runs, len(offsets), left), strict=True):
        used.append((offset, offset + (count * each or sum(sizes[at : at + count]))))
        at += count
    return used


def _counts(runs: list[tuple[int, ...]], chunks: int, left: int) -> Iterator[int]:
    """How many samples each of so many *chunks* has, while there are samples *left*.

    Each of the *runs* says from which chunk on how many samples stand in a chunk (8.7.4).
    """
    run = 0
    for number in range(1, chunks + 1):
        while run + 1 < len(runs) and runs[run + 1][0] <= number:
            run += 1
        count = min(runs[run][1], left) if runs else 0
        left -= count
        yield count


def _table(data: bytes, box: Box, entry: str, at: int = 4) -> list[tuple[int, ...]]:
    """The entries of a table, each in the form *entry* of `struct`; their number stands at *at* in the payload.

    Raises `NotAnImage` if the table reaches beyond its box.
    """
    size = table_size(data, box, at, struct.calcsize(">" + entry))
    if box.body + size > box.stop:
        raise NotAnImage(INCOMPLETE)
    return list(struct.iter_unpack(">" + entry, data[box.body + at + 4 : box.body + size]))
