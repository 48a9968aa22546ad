"""Boxes that tests put into AVIFs by hand, because no encoder writes them there."""

import struct

from tests.drawn import encoded, gradient

SKIPPED = {b"meta": 4, b"iinf": 6, b"iref": 4, b"stsd": 8, b"av01": 78}
"""Bytes that stand in a box before the boxes in it."""
MADE_OF, SEEN_THROUGH, SMALLER = b"dimg", b"auxl", b"thmb"

ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
"""The name of transparency in `auxC`."""
NUMBERS = (1, 2, 0x83, 4)
"""Numbers of the properties that Pillow gives a picture: size, bits, the decoder's settings (essential), colours."""


def box(kind: bytes, *body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, body)), kind) + b"".join(body)


def still(width: int = 64, height: int = 64) -> bytes:
    return encoded(gradient(width, height), "AVIF", speed=10)


def full_box(kind: bytes, *body: bytes, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", flags), *body)


def places(data: bytes, *path: bytes) -> list[tuple[int, int]]:
    """Where the boxes on *path* start and stop; of each kind the first."""
    found: list[tuple[int, int]] = []
    at, stop = 0, len(data)
    for kind in path:
        while at < stop:
            size, here = struct.unpack_from(">I4s", data, at)
            if here == kind:
                break
            at += size
        else:
            raise AssertionError(f"there is no {kind}")
        found.append((at, at + size))
        at, stop = at + 8 + SKIPPED.get(kind, 0), at + size
    return found


def body(data: bytes, *path: bytes) -> bytes:
    start, stop = places(data, *path)[-1]
    return data[start + 8 : stop]


def grown(data: bytes, *path: bytes, new: bytes, back: int = 0) -> bytes:
    """*data* with *new* in the box on *path*, *back* bytes before its end. Sizes and offsets are corrected."""
    result = bytearray(data)
    boxes = places(data, *path)
    for start, stop in boxes:
        struct.pack_into(">I", result, start, stop - start + len(new))
    at = boxes[-1][1] - back
    result[at:at] = new
    if path[0] != b"mdat":
        _move(result, len(new))
    return bytes(result)


def _move(data: bytearray, by: int) -> None:
    """Add *by* to all offsets; they stand where Pillow writes them."""
    start, _ = places(bytes(data), b"meta", b"iloc")[-1]
    for at in range(start + 22, start + 16 + 14 * struct.unpack_from(">H", data, start + 14)[0], 14):
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + by)
    at = data.find(b"stco")
    if at >= 0:
        for offset in range(at + 12, at + 12 + 4 * struct.unpack_from(">I", data, at + 8)[0], 4):
            struct.pack_into(">I", data, offset, struct.unpack_from(">I", data, offset)[0] + by)


def _count(data: bytes, *path: bytes, at: int, size: int) -> bytes:
    """*data* with one more entry in the number of *size* bytes at *at* in the box on *path*."""
    start, _ = places(data, *path)[-1]
    at += start + 8
    return data[:at] + (int.from_bytes(data[at : at + size]) + 1).to_bytes(size) + data[at + size :]


def with_property(data: bytes, new: bytes, *items: int, essential: bool = False) -> bytes:
    """*data* with the property *new*, which the *items* have."""
    data = grown(data, b"meta", b"iprp", b"ipco", new=new)
    start, stop = places(data, b"meta", b"iprp", b"ipco")[-1]
    number = len(list(kinds(data[start + 8 : stop])))
    for item in items:
        data = with_associations(data, item, number | (0x80 if essential else 0))
    return data


def kinds(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found.append(kind)
        at += size
    return found


def with_associations(data: bytes, item: int, *properties: int) -> bytes:
    """*data* in which *item* has further properties, given by their numbers."""
    start, stop = places(data, b"meta", b"iprp", b"ipma")[-1]
    at = start + 16
    while at < stop:
        if struct.unpack_from(">H", data, at) == (item,):
            after = grown(data, b"meta", b"iprp", b"ipma", new=bytes(properties), back=stop - at - 3 - data[at + 2])
            return after[: at + 2] + bytes([data[at + 2] + len(properties)]) + after[at + 3 :]
        at += 3 + data[at + 2]
    entry = struct.pack(">HB", item, len(properties)) + bytes(properties)
    return _count(grown(data, b"meta", b"iprp", b"ipma", new=entry), b"meta", b"iprp", b"ipma", at=4, size=4)


def with_item(data: bytes, item: int, kind: bytes, content: bytes, *properties: int, more: bytes = b"") -> bytes:
    """*data* with a further item. Its *content* stands in a media box of its own, and its entry ends with *more*."""
    entry = full_box(b"infe", struct.pack(">HH", item, 0), kind, b"\0", more, flags=2 << 24)
    data = _count(grown(data, b"meta", b"iinf", new=entry), b"meta", b"iinf", at=4, size=2)
    data = grown(data, b"meta", b"iloc", new=struct.pack(">HHHII", item, 0, 1, 0, len(content)))
    data = _count(data, b"meta", b"iloc", at=6, size=2)
    if properties:
        data = with_associations(data, item, *properties)
    _, stop = places(data, b"meta", b"iloc")[-1]
    return data[: stop - 8] + struct.pack(">I", len(data) + 8) + data[stop - 4 :] + box(b"mdat", content)


def with_references(data: bytes, *references: tuple[bytes, int, list[int]]) -> bytes:
    """*data* with references between items; it must have none yet."""
    boxes = [box(kind, struct.pack(f">HH{len(to)}H", item, len(to), *to)) for kind, item, to in references]
    return grown(data, b"meta", new=full_box(b"iref", *boxes))


def with_primary(data: bytes, item: int) -> bytes:
    start, stop = places(data, b"meta", b"pitm")[-1]
    return data[: start + 12] + struct.pack(">H", item) + data[stop:]


def second_meta(content: bytes) -> bytes:
    """A second `meta` box, with an Exif item in it."""
    return full_box(
        b"meta",
        full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
        full_box(b"pitm", b"\0\1"),
        full_box(b"iinf", b"\0\1", full_box(b"infe", b"\0\1\0\0Exif\0", flags=2 << 24)),
        full_box(b"iloc", b"\x44\0\0\1", struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(content)), flags=1 << 24),
        box(b"idat", content),
    )


def with_timed_metadata(data: bytes, content: bytes) -> bytes:
    """The image sequence *data* with a track of text, whose *content* is one sample."""

    def track(offset: int) -> bytes:
        table = box(
            b"stbl",
            full_box(b"stsd", struct.pack(">I", 1), box(b"mett", bytes(7), b"\1\0application/rdf+xml\0")),
            full_box(b"stts", struct.pack(">III", 1, 1, 100)),
            full_box(b"stsc", struct.pack(">IIII", 1, 1, 1, 1)),
            full_box(b"stsz", struct.pack(">III", 0, 1, len(content))),
            full_box(b"stco", struct.pack(">II", 1, offset)),
        )
        source = box(b"dinf", full_box(b"dref", struct.pack(">I", 1), full_box(b"url ", flags=1)))
        media = box(
            b"mdia",
            full_box(b"mdhd", bytes(8), struct.pack(">III", 1000, 100, 0x55C4 << 16)),
            full_box(b"hdlr", bytes(4), b"meta", bytes(13)),
            box(b"minf", full_box(b"nmhd"), source, table),
        )
        return box(b"trak", full_box(b"tkhd", bytes(8), struct.pack(">III", 2, 0, 100), bytes(60), flags=3), media)

    moved = grown(data, b"moov", new=track(0))
    _, stop = places(moved, b"moov")[-1]
    return moved[: stop - len(track(0))] + track(len(moved) + 8) + moved[stop:] + box(b"mdat", content)
