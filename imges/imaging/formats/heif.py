"""AVIF and HEIC (ISO/IEC 23008-12): which of the two a file is, and what its header says."""

import struct

from imges.errors import FormatRefused, NotAnImage
from imges.imaging.colour import Colour, coded
from imges.imaging.formats.heif_boxes import Box, below, box_at, boxes_in, top_boxes
from imges.imaging.formats.heif_items import read_meta
from imges.imaging.types import Header

AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
ANY_BRANDS = {b"mif1", b"msf1"}
"""Brands of HEIF in any codec: the items say in which."""

BRANDS_READ = 400
"""Bytes of a file's brands that are read."""

ORIENTATIONS: dict[tuple[int, int | None], int] = {
    # (quarter turns anticlockwise, mirrored by: None, 0 = top and bottom, 1 = left and right): EXIF orientation
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


def kind(data: bytes) -> str:
    """`avif` or `heic`. Raises `FormatRefused` if it is a video or a picture of another codec."""
    ftyp = box_at(data, 0, len(data))
    brands = {data[ftyp.body : ftyp.body + 4]}
    brands |= {data[at : at + 4] for at in range(ftyp.body + 8, min(ftyp.stop, ftyp.body + BRANDS_READ), 4)}
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
    """The header of an AVIF."""
    return _read(data, "avif")


def read_heic(data: bytes) -> Header:
    """The header of a HEIC."""
    return _read(data, "heic")


def _read(data: bytes, format: str) -> Header:
    """The header, from the properties of the primary item. The frames of a sequence are counted."""
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
        colour=_colour(data, applied),
    )


def _colour(data: bytes, properties: list[Box]) -> Colour | None:
    """What `colr` says in code points; an ICC profile counts before it (ISO/IEC 23008-12, 6.5.5)."""
    said = {data[box.body : box.body + 4]: box for box in properties if box.kind == b"colr"}
    if b"nclx" not in said or said.keys() & {b"prof", b"rICC"}:
        return None
    primaries, transfer = struct.unpack_from(">HH", data, said[b"nclx"].body + 4)
    return coded(primaries, transfer, video=True)


def _orientation(data: bytes, properties: list[Box]) -> int:
    """The EXIF orientation that means the same as `irot` and `imir` (ISO/IEC 23008-12, 6.5.10 and 6.5.12).

    Viewers of AVIF and HEIC obey these properties alone, whatever the Exif in the file says.
    """
    turns = 0
    mirror: int | None = None
    for box in properties:
        if box.kind == b"irot":
            turns = data[box.body] & 3
        elif box.kind == b"imir":
            mirror = data[box.body] & 1
    return ORIENTATIONS[turns, mirror]


def _bits(data: bytes, properties: dict[bytes, Box]) -> int:
    """Bits of a channel: as `pixi` says, else the flags of the AV1 decoder's settings (high_bitdepth, twelve_bit)."""
    if b"pixi" in properties:
        return data[properties[b"pixi"].body + 5]
    if b"av1C" in properties:
        flags = data[properties[b"av1C"].body + 2]
        return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return 8


def _frames(data: bytes, moov: Box) -> int:
    """The samples of the longest track."""
    tracks = [box for box in boxes_in(data, moov.body, moov.stop) if box.kind == b"trak"]
    tables = [below(data, track, b"mdia", b"minf", b"stbl", b"stsz") for track in tracks]
    return max([1, *(struct.unpack_from(">I", data, table.body + 8)[0] for table in tables if table)])
