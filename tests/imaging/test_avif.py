"""The filter of metadata in AVIF: text goes, wherever it stands, and what shows the picture stays."""

import struct
import time
from contextlib import suppress

import pytest

from imges.errors import NotAnImage
from imges.imaging import formats
from tests.drawn import encoded, noise
from tests.imaging import samples
from tests.imaging.boxes import (
    ALPHA,
    MADE_OF,
    NUMBERS,
    SEEN_THROUGH,
    SMALLER,
    body,
    box,
    full_box,
    grown,
    places,
    second_meta,
    still,
    with_item,
    with_primary,
    with_property,
    with_references,
    with_timed_metadata,
)
from tests.imaging.samples import SECRET, XMP
from tests.imaging.test_filters import frames, stripped

TEXT = SECRET.encode()
EXIF = bytes(4) + samples.exif_block().tobytes()[6:]
TRACK = (b"moov", b"trak")
TABLES = (*TRACK, b"mdia", b"minf", b"stbl")


def other(width: int = 64, height: int = 64) -> bytes:
    """The bytes of another picture of the same kind, as they stand in a file."""
    return body(encoded(noise(width, height), "AVIF", speed=10), b"mdat")


def sequence() -> bytes:
    return samples.animated("avif", 3, 64, 48)


def renamed(data: bytes, kind: bytes, other: bytes) -> bytes:
    """*data* in which the first box of that *kind* is of the *other* kind."""
    return data.replace(kind, other, 1)


def with_thumbnail() -> bytes:
    data = with_item(still(), 2, b"av01", other() + TEXT, *NUMBERS)
    return with_references(data, (SMALLER, 2, [1]))


def with_depth() -> bytes:
    data = with_item(still(), 2, b"av01", other(), *NUMBERS)
    data = with_property(data, full_box(b"auxC", b"urn:" + TEXT + b"\0"), 2)
    return with_references(data, (SEEN_THROUGH, 2, [1]))


def with_compressor() -> bytes:
    data = sequence()
    start, _ = places(data, *TABLES, b"stsd", b"av01")[-1]
    return data[: start + 50] + bytes([len(TEXT)]) + TEXT + data[start + 51 + len(TEXT) :]


def with_selection() -> bytes:
    data = sequence()
    _, stop = places(data, b"moov", b"mvhd")[-1]
    return data[: stop - 28] + TEXT + data[stop - 28 + len(TEXT) :]


STILLS = {
    "xml in meta": grown(still(), b"meta", new=full_box(b"xml ", XMP)),
    "bxml in meta": grown(still(), b"meta", new=full_box(b"bxml", XMP)),
    "uuid in meta": grown(still(), b"meta", new=box(b"uuid", bytes(16), XMP)),
    "udta in meta": grown(still(), b"meta", new=box(b"udta", box(b"\xa9xyz", TEXT))),
    "free in meta": grown(still(), b"meta", new=box(b"free", TEXT)),
    "a box of any type in meta": grown(still(), b"meta", new=box(b"abcd", TEXT)),
    "dinf in meta": grown(still(), b"meta", new=full_box(b"dinf", TEXT)),
    "the name of the handler": grown(still(), b"meta", b"hdlr", new=TEXT, back=1),
    "the name of the item": grown(still(), b"meta", b"iinf", b"infe", new=TEXT, back=1),
    "behind the locations": grown(still(), b"meta", b"iloc", new=TEXT),
    "behind the primary item": grown(still(), b"meta", b"pitm", new=TEXT),
    "udes": with_property(still(), full_box(b"udes", b"en\0", TEXT, b"\0", TEXT, b"\0\0"), 1),
    "udes of no item": with_property(still(), full_box(b"udes", b"en\0", TEXT, b"\0", TEXT, b"\0\0")),
    "uuid as a property": with_property(still(), box(b"uuid", bytes(16), XMP), 1),
    "colours of no kind": with_property(still(), box(b"colr", b"text", TEXT), 1),
    "a profile of no item": with_property(still(), box(b"colr", b"prof", TEXT)),
    "a long property": with_property(still(), box(b"pasp", bytes(8), TEXT), 1),
    "a second meta": still() + second_meta(EXIF),
    "styp": still() + box(b"styp", TEXT),
    "sidx": still() + box(b"sidx", TEXT),
    "idat": still() + box(b"idat", TEXT),
    "a brand": grown(still(), b"ftyp", new=TEXT + bytes(-len(TEXT) % 4)),
    "media that no item names": grown(still(), b"mdat", new=XMP),
    "more media": still() + box(b"mdat", XMP),
    "an idat that no item names": grown(still(), b"meta", new=box(b"idat", TEXT)),
    "a JPEG": with_item(still(), 2, b"jpeg", samples.full_of_metadata("jpg")),
    "Exif by another name": with_item(still(), 2, b"exif", EXIF),
    "XMP by another name": with_item(still(), 2, b"mimf", XMP),
    "the name and type of XMP": with_item(still(), 2, b"mime", XMP, more=TEXT + b"\0"),
    "a picture that is not shown": with_item(still(), 2, b"av01", other() + TEXT, *NUMBERS),
    "a thumbnail": with_thumbnail(),
    "a map of depth": with_depth(),
    "a reference": with_references(with_item(still(), 2, b"Exif", EXIF), (TEXT[:4], 2, [1])),
    "a group": grown(still(), b"meta", new=box(b"grpl", full_box(b"text", struct.pack(">II", 7, 1), TEXT[:4]))),
}
SEQUENCES = {
    "a box in moov": grown(sequence(), b"moov", new=box(b"abcd", TEXT)),
    "a box in a track": grown(sequence(), *TRACK, new=box(b"abcd", TEXT)),
    "a box in the table": grown(sequence(), *TABLES, new=box(b"abcd", TEXT)),
    "a box in the description": grown(sequence(), *TABLES, b"stsd", b"av01", new=box(b"abcd", TEXT)),
    "behind a table": grown(sequence(), *TABLES, b"stss", new=TEXT),
    "the name of a handler": grown(sequence(), *TRACK, b"mdia", b"hdlr", new=TEXT, back=1),
    "the name of a compressor": with_compressor(),
    "what QuickTime would play first": with_selection(),
    "timed metadata": with_timed_metadata(sequence(), XMP),
    "media that no sample is": grown(sequence(), b"mdat", new=XMP),
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in (STILLS | SEQUENCES).items()])
def test_text_is_gone_wherever_it_was_and_the_pixels_stay(data):
    assert TEXT in data or TEXT[:4] in data
    clean = stripped(data)
    assert TEXT not in clean
    assert b"SECRET" not in clean
    assert b"SECR" not in clean
    assert frames(clean) == frames(data)
    assert formats.read("avif", clean) == formats.read("avif", data)
    assert stripped(clean) == clean


IN_STILLS = [(b"meta", b"iinf", b"infe")]
IN_SEQUENCES = [*IN_STILLS, (b"moov", b"mvhd"), (*TRACK, b"tkhd"), (*TRACK, b"mdia", b"mdhd"), (*TABLES, b"stsd")]


@pytest.mark.parametrize(
    ("data", "paths"),
    [pytest.param(still(), IN_STILLS, id="still"), pytest.param(sequence(), IN_SEQUENCES, id="sequence")],
)
def test_of_what_an_encoder_writes_only_names_and_times_go(data, paths):
    clean = stripped(data)
    changed = [places(data, *path)[-1] for path in paths]
    assert len(clean) == len(data)
    assert all(
        data[at] == clean[at] for at in range(len(data)) if not any(start <= at < stop for start, stop in changed)
    )


def test_transparency_stays():
    data = encoded(noise(64, 48).convert("RGBA").rotate(30), "AVIF", speed=10)
    clean = stripped(data)
    assert frames(clean) == frames(data)
    assert samples.opened(clean).getchannel("A").getextrema() == (0, 255)


def test_a_turned_picture_and_how_to_show_it_stay():
    data = still()
    for new in (
        box(b"pasp", struct.pack(">II", 1, 1)),
        box(b"clli", bytes(4)),
        box(b"mdcv", bytes(24)),
        box(b"colr", b"prof", samples.profile()),
    ):
        data = with_property(data, new, 1)
    for new in (box(b"clap", struct.pack(">8I", 32, 1, 32, 1, 0, 1, 0, 1)), box(b"irot", b"\1"), box(b"imir", b"\0")):
        data = with_property(data, new, 1, essential=True)
    clean = stripped(data)
    assert body(clean, b"meta", b"iprp") == body(data, b"meta", b"iprp")
    assert formats.read("avif", clean).orientation == 5
    assert samples.opened(clean).info["icc_profile"] == samples.profile()
    assert frames(clean) == frames(data)


def grid() -> bytes:
    """Two pictures side by side."""
    data = with_item(still(), 2, b"av01", other(), *NUMBERS)
    data = with_item(data, 3, b"grid", struct.pack(">BBBBHH", 0, 0, 0, 1, 128, 64), 2, 4)
    data = with_property(data, full_box(b"ispe", struct.pack(">II", 128, 64)), 3)
    return with_primary(with_references(data, (MADE_OF, 3, [1, 2])), 3)


def test_tiles_stay():
    data = grid()
    assert samples.opened(data).size == (128, 64)
    clean = stripped(data)
    assert frames(clean) == frames(data)
    assert other() in clean


def test_a_grid_with_a_tile_of_another_type_is_refused():
    data = grid()
    at = data.index(b"av01", data.index(b"av01") + 4)
    with pytest.raises(NotAnImage):
        stripped(data[:at] + b"jpeg" + data[at + 4 :])


def test_a_gain_map_stays():
    gain = other()
    data = with_item(still(), 2, b"av01", gain, *NUMBERS)
    data = with_item(data, 3, b"tmap", bytes(62), 1, 2, 4)
    data = with_references(data, (MADE_OF, 3, [1, 2]))
    data = grown(data, b"meta", new=box(b"grpl", full_box(b"altr", struct.pack(">IIII", 9, 2, 3, 1))))
    clean = stripped(data)
    assert gain in clean
    for kept in (b"iref", b"grpl", b"iloc", b"iprp"):
        assert body(clean, b"meta", kept) == body(data, b"meta", kept)
    assert clean.count(b"tmap") == 1
    assert frames(clean) == frames(data)


def test_items_in_meta_itself_stay():
    """libheif writes grids like this: their few bytes stand in `idat`."""
    data = grid()
    start, stop = places(data, b"meta", b"iloc")[-1]
    entries = [struct.unpack_from(">HHHII", data, at) for at in range(start + 16, stop, 14)]
    told = b"".join(
        struct.pack(">HHHHII", item, item == 3, 0, 1, 0 if item == 3 else offset + 22, size)
        for item, _, _, offset, size in entries
    )
    iloc = full_box(b"iloc", b"\x44\0\0\3", told, flags=1 << 24)
    idat = box(b"idat", struct.pack(">BBBBHH", 0, 0, 0, 1, 128, 64))
    meta, end = places(data, b"meta")[0]
    inner = data[meta + 8 : start] + iloc + data[stop:end] + idat
    moved = data[:meta] + box(b"meta", inner) + data[end:]
    assert len(moved) == len(data) + 22
    assert frames(moved) == frames(data)
    clean = stripped(grown_idat(moved))
    assert TEXT not in clean
    assert frames(clean) == frames(data)


def grown_idat(data: bytes) -> bytes:
    """*data* with text at the end of its `idat` box. That is the last box of `meta`, so the media move."""
    start, stop = places(data, b"meta")[0]
    text = TEXT + b"\0"
    where, _ = places(data, b"meta", b"iloc")[-1]
    moved = bytearray(data)
    for at in range(where + 16, where + 16 + 3 * 16, 16):
        if not moved[at + 3]:
            struct.pack_into(">I", moved, at + 8, struct.unpack_from(">I", moved, at + 8)[0] + len(text))
    struct.pack_into(">I", moved, start, stop - start + len(text))
    struct.pack_into(">I", moved, stop - 16, 16 + len(text))
    return bytes(moved[:stop]) + text + bytes(moved[stop:])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(renamed(still(), b"av01", b"jpeg"), id="a picture of another type"),
        pytest.param(with_property(still(), box(b"abcd", TEXT), 1, essential=True), id="needs a property"),
        pytest.param(with_item(with_item(still(), 2, b"mime", XMP), 2, b"av01", XMP), id="an item twice"),
        pytest.param(renamed(still(), b"mdat", b"free"), id="bytes that are in no media"),
        pytest.param(renamed(sequence(), b"stsz", b"free"), id="samples without sizes"),
        pytest.param(renamed(sequence(), b"mdat", b"skip"), id="samples that are in no media"),
    ],
)
def test_what_cannot_be_shown_without_something_unknown_is_refused(data):
    with pytest.raises(NotAnImage):
        stripped(data)


def many_extents(count: int = 9_000) -> bytes:
    """A picture whose transparency is the same 8 MB so many times."""
    data = with_item(still(), 2, b"av01", bytes(2**23), *NUMBERS)
    data = with_references(with_property(data, full_box(b"auxC", ALPHA), 2), (SEEN_THROUGH, 2, [1]))
    _, stop = places(data, b"meta", b"iloc")[-1]
    offset, size = struct.unpack_from(">II", data, stop - 8)
    more = struct.pack(">II", offset + 8 * count, size) * count
    data = grown(data, b"meta", b"iloc", new=more)
    return data[: stop - 10] + struct.pack(">H", 1 + count) + data[stop - 8 :]


def nested(depth: int = 20_000) -> bytes:
    tracks = b"".join(struct.pack(">I4s", 8 * (depth - level), b"trak") for level in range(depth))
    return grown(sequence(), b"moov", new=tracks)


@pytest.mark.parametrize(
    "data",
    [
        *(
            pytest.param(made, id=f"{count:,} {what}")
            for count in (3_900, 900_000)
            for what, made in {
                "boxes": lambda count=count: grown(still(), b"meta", new=box(b"free") * count),
                "media boxes": lambda count=count: still() + box(b"mdat") * count,
                "properties": lambda count=count: with_property(still(), box(b"free") * count),
            }.items()
        ),
        pytest.param(many_extents, id="9,000 extents of 8 MB"),
        pytest.param(nested, id="tracks in tracks"),
        *(
            pytest.param(
                lambda n=n: with_references(still(), *[(SEEN_THROUGH, 1, [1] * 1000)] * n), id=f"{n},000 references"
            )
            for n in (19, 500)
        ),
    ],
)
def test_a_hostile_file_takes_a_moment(data):
    hostile = data()
    began = time.process_time()
    with suppress(NotAnImage):
        stripped(hostile)
    assert time.process_time() - began < 0.5  # it takes less than a tenth of that
