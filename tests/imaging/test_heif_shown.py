"""The allow list of AVIF: which items, properties and tracks are kept, and how many bytes of each."""

import struct

import pytest

from imges.errors import NotAnImage
from imges.imaging.formats.heif_boxes import Box, box_at, top_boxes
from imges.imaging.formats.heif_copy import Copy
from imges.imaging.formats.heif_filter import _copy_brands, _copy_media, _joined
from imges.imaging.formats.heif_items import read_meta
from imges.imaging.formats.heif_movie import copy_movie
from imges.imaging.formats.heif_shown import kept, read_shown
from tests.imaging.boxes import (
    ALPHA,
    MADE_OF,
    NUMBERS,
    SEEN_THROUGH,
    box,
    full_box,
    still,
    with_item,
    with_property,
    with_references,
)

PROFILE = 4 + 2**20
PROPERTIES = {
    b"ispe": 12, b"pixi": 20, b"av1C": 100, b"pasp": 8, b"clap": 32, b"irot": 1, b"imir": 1, b"ccst": 8, b"a1op": 1,
    b"a1lx": 13, b"lsel": 2, b"iscl": 12, b"clli": 4, b"mdcv": 24, b"cclv": 37, b"amve": 8, b"ndwt": 8, b"reve": 20,
}  # fmt: skip
"""Bytes of each property in its standard, of those of variable length the most."""
COLOURS = {b"nclx": 11, b"nclc": 10, b"prof": PROFILE, b"rICC": PROFILE}


def kept_of(kind: bytes, content: bytes) -> int:
    data = box(kind, content)
    return kept(data, box_at(data, 0, len(data)))


@pytest.mark.parametrize("kind", PROPERTIES)
def test_a_property_is_kept_up_to_its_length(kind):
    most = PROPERTIES[kind]
    assert [kept_of(kind, bytes(size)) for size in (most - 1, most, most + 1)] == [most - 1, most, 0]


@pytest.mark.parametrize("kind", COLOURS)
def test_colours_are_kept_up_to_their_length(kind):
    most = COLOURS[kind]
    assert [kept_of(b"colr", kind + bytes(size - 4)) for size in (most, most + 1)] == [most, 0]


@pytest.mark.parametrize("kind", [b"auxC", b"auxi"])
@pytest.mark.parametrize("name", [ALPHA[:-1], b"urn:mpeg:hevc:2015:auxid:1"])
def test_of_what_makes_a_picture_transparency_the_name_is_kept(kind, name):
    assert kept_of(kind, bytes(4) + name) == 4 + len(name)
    assert kept_of(kind, bytes(4) + name + b"\0TEXT") == 4 + len(name)
    assert kept_of(kind, bytes(4) + name + b"x") == 0
    assert kept_of(kind, bytes(4) + b"urn:mpeg:hevc:2015:auxid:2\0") == 0


@pytest.mark.parametrize("kind", [b"udes", b"uuid", b"hvcC", b"auxl"])
def test_other_properties_go(kind):
    assert kept_of(kind, b"") == 0
    assert kept_of(kind, bytes(4)) == 0


# Items


def shown(data: bytes) -> set[int]:
    return read_shown(data, read_meta(data, top_boxes(data))).items


def with_second(kind: bytes = b"av01", content: bytes = b"1234", *references: tuple[bytes, int, list[int]]) -> bytes:
    data = with_item(still(), 2, kind, content, *NUMBERS)
    return with_references(data, *references) if references else data


@pytest.mark.parametrize(("kind", "most"), [(b"grid", 12), (b"tmap", 200), (b"sato", 3000)])
def test_an_item_that_says_how_others_become_a_picture_is_short(kind, most):
    tells = (MADE_OF, 2, [1])
    layered = {1, 2} if kind != b"grid" else {1}
    assert shown(with_second(kind, bytes(most), tells)) == layered
    assert shown(with_second(kind, bytes(most + 1), tells)) == {1}
    assert shown(with_second(kind, b"", tells)) == {1}


def test_the_parts_of_an_item_are_shown_with_it():
    assert shown(with_second(b"av01", b"1234", (MADE_OF, 1, [2]))) == {1, 2}
    assert shown(with_second(b"av01", b"1234")) == {1}
    assert shown(with_second(b"av01", b"1234", (b"cdsc", 2, [1]), (b"thmb", 2, [1]), (b"prem", 2, [1]))) == {1}
    with pytest.raises(NotAnImage, match="not in the standard"):
        shown(with_second(b"jpeg", b"1234", (MADE_OF, 1, [2])))
    with pytest.raises(NotAnImage):  # an item that is not there
        shown(with_references(still(), (MADE_OF, 1, [7])))


def test_what_an_item_is_seen_through_is_shown_with_it():
    seen_through = (SEEN_THROUGH, 2, [1])
    assert shown(with_property(with_second(b"av01", b"1234", seen_through), full_box(b"auxC", ALPHA), 2)) == {1, 2}
    assert shown(with_second(b"av01", b"1234", seen_through)) == {1}
    assert shown(with_property(with_second(b"av01", b"1", seen_through), full_box(b"auxC", b"urn:depth\0"), 2)) == {1}
    assert shown(with_property(with_second(b"jpeg", b"1", seen_through), full_box(b"auxC", ALPHA), 2)) == {1}


def test_a_picture_made_of_something_unknown_is_unknown_too():
    data = with_item(with_second(b"jpeg", b"1234"), 3, b"av01", b"1234", *NUMBERS)
    data = with_item(data, 4, b"tmap", bytes(62), *NUMBERS)
    assert shown(with_references(data, (MADE_OF, 3, [2]), (MADE_OF, 4, [1, 3]))) == {1}


def test_an_unknown_property_bars_its_item_only_if_it_is_essential():
    for essential in (False, True):
        data = with_property(with_second(b"av01", b"1", (MADE_OF, 1, [2])), box(b"abcd"), 2, essential=essential)
        if essential:
            with pytest.raises(NotAnImage):
                shown(data)
        else:
            assert shown(data) == {1, 2}


@pytest.mark.parametrize("number", [0x80, 0xFF])
def test_an_essential_property_that_is_not_there_bars_its_item(number):
    data = with_item(still(), 2, b"av01", b"1234", *NUMBERS, number)
    with pytest.raises(NotAnImage):
        shown(with_references(data, (MADE_OF, 1, [2])))


# The copy


def test_each_byte_of_the_media_is_copied_once_and_in_its_box():
    assert _joined([(5, 8), (1, 3), (3, 4), (6, 7), (8, 8), (9, 9), (7, 9)]) == [(1, 4), (5, 9)]
    assert _joined([(1, 5), (2, 3)]) == [(1, 5)]
    assert _joined([(4, 4)]) == []
    copy = Copy(bytes(range(1, 41)))
    first, second = Box(b"mdat", 0, 8, 20), Box(b"mdat", 20, 28, 40)
    assert _copy_media(copy, [first, second], [(8, 10), (38, 40), (19, 20)]) == {first, second}
    wanted = bytes([9, 10]) + bytes(9) + bytes([20]) + bytes(18) + bytes([39, 40])
    assert bytes(copy.clean) == bytes(8) + wanted
    assert _copy_media(copy, [first, second], [(28, 29)]) == {second}
    for part in ((7, 9), (19, 21), (27, 29), (39, 41)):
        with pytest.raises(NotAnImage):
            _copy_media(copy, [first, second], [part])


def test_a_box_is_kept_up_to_its_end():
    data = box(b"pasp", b"12345678") + b"more"
    copy = Copy(data)
    copy.keep(box_at(data, 0, 16), 8)
    assert bytes(copy.clean) == data[:16] + bytes(4)
    with pytest.raises(NotAnImage):
        copy.keep(box_at(data, 0, 16), 9)
    copy.blank(9, 11)
    assert bytes(copy.clean) == data[:9] + bytes(2) + data[11:16] + bytes(4)


BRANDS = """avif avis heic heix heim heis hevc hevx hevm hevs mif1 msf1 avio MA1A MA1B miaf MiHA MiHB MiHE MiAn MiPr
MiCm mif2 mif3 tmap av01 mp41 mp42 isom iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 isoa isob isoc"""


def test_known_brands_stay_and_other_text_goes():
    data = box(b"ftyp", b"avifTEXT" + "".join(BRANDS.split()).encode() + b"TEXTmif1abc")
    copy = Copy(data)
    _copy_brands(copy, box_at(data, 0, len(data)))
    assert bytes(copy.clean) == data.replace(b"TEXT", bytes(4)).replace(b"abc", bytes(3))
    data = box(b"ftyp", b"TEXT" + bytes(4) + b"avif")
    copy = Copy(data)
    _copy_brands(copy, box_at(data, 0, len(data)))
    assert bytes(copy.clean) == data.replace(b"TEXT", bytes(4))


# Image sequences

SELF = full_box(b"dref", struct.pack(">I", 1), full_box(b"url ", flags=1))


def described(*properties: bytes, kind: bytes = b"av01") -> bytes:
    """How samples are coded: all 78 bytes of the entry are set, though only some count."""
    return full_box(b"stsd", struct.pack(">I", 1), box(kind, bytes(range(1, 79)), *properties))


def table(kind: bytes, *entries: tuple[int, ...], width: str = "I", version: int = 0, more: bytes = b"") -> bytes:
    told = b"".join(struct.pack(f">{len(entry)}{width}", *entry) for entry in entries)
    return full_box(kind, struct.pack(">I", len(entries)), told, more, flags=version << 24)


def sizes(same: int, *each: int, count: int | None = None) -> bytes:
    told = struct.pack(f">{len(each)}I", *each)
    return full_box(b"stsz", struct.pack(">II", same, len(each) if count is None else count), told)


STSC, STSZ, STCO = table(b"stsc", (1, 1, 1)), sizes(0, 5), table(b"stco", (100,))


def movie(*tables: bytes, stsd: bytes | None = None, handler: bytes = b"pict", more: bytes = b"") -> bytes:
    """A movie of one track."""
    stbl = box(b"stbl", stsd or described(), *(tables or (STSC, STSZ, STCO)))
    hdlr = full_box(b"hdlr", bytes(4), handler, bytes(12))
    return box(b"moov", box(b"trak", box(b"mdia", hdlr, box(b"minf", stbl)), more))


def copied(data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """The movie's payload as it is filtered, and what it uses."""
    copy = Copy(data)
    used = copy_movie(copy, box_at(data, 0, len(data)))
    return bytes(copy.clean), used


@pytest.mark.parametrize("handler", [b"pict", b"vide", b"auxv"])
def test_a_track_of_pictures_stays(handler):
    clean, used = copied(movie(handler=handler))
    assert b"trak" in clean
    assert used == [(100, 105)]


def dropped(data: bytes) -> bool:
    """Whether all of the movie became one empty box."""
    clean, used = copied(data)
    return clean[8:] == struct.pack(">I4s", len(data) - 8, b"free") + bytes(len(data) - 16) and used == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(movie(handler=b"meta"), id="another handler"),
        pytest.param(movie(handler=b"soun"), id="sound"),
        pytest.param(movie(stsd=described(kind=b"avc1")), id="another codec"),
        pytest.param(movie(stsd=full_box(b"stsd", bytes(4), box(b"av01", bytes(77)))), id="a short description"),
        pytest.param(movie(stsd=full_box(b"stsd", bytes(4))), id="no description"),
        pytest.param(
            movie(stsd=full_box(b"stsd", bytes(4), box(b"av01", bytes(78)), box(b"mett", bytes(78)))),
            id="a second description of another codec",
        ),
        pytest.param(movie(stsd=described(full_box(b"auxi", b"urn:depth\0"))), id="a map of depth"),
        pytest.param(movie().replace(b"hdlr", b"abcd"), id="no handler"),
        pytest.param(movie().replace(b"stsd", b"abcd"), id="nothing says how it is coded"),
    ],
)
def test_other_tracks_go(data):
    assert dropped(data)


def test_a_track_of_transparency_stays():
    told = full_box(b"auxi", ALPHA)
    clean, _ = copied(movie(stsd=described(told)))
    assert told in clean


def test_of_a_description_the_numbers_stay():
    clean, _ = copied(movie(stsd=described(box(b"pasp", b"12345678"), box(b"uuid", b"TEXT"))))
    at = clean.index(b"av01") + 4
    counting = {*range(6, 8), *range(24, 36), *range(40, 42), *range(74, 78)}
    assert clean[at : at + 78] == bytes(n + 1 if n in counting else 0 for n in range(78))
    assert clean[at + 78 :].startswith(box(b"pasp", b"12345678") + box(b"free", bytes(4)))


@pytest.mark.parametrize("folder", ["moov", "trak", "mdia", "minf", "stbl"])
def test_unknown_boxes_go_wherever_they_are(folder):
    data = movie()
    new = box(b"abcd", b"TEXT")
    for name in ("moov", "trak", "mdia", "minf", "stbl"):
        at = data.index(name.encode()) - 4
        data = data[:at] + struct.pack(">I", struct.unpack_from(">I", data, at)[0] + len(new)) + data[at + 4 :]
        if name == folder:
            data = data[: at + 8] + new + data[at + 8 :]
            break
    assert copied(data)[0].count(box(b"free", bytes(4))) == 1


FIXED = {
    "mvhd": ("moov", 100, 112), "tkhd": ("trak", 84, 96), "mdhd": ("mdia", 24, 36), "hdlr": ("mdia", 12, 12),
    "vmhd": ("minf", 12, 12), "auxl": ("tref", 4, 4), "prem": ("tref", 4, 4),
}  # fmt: skip
TABLES = {
    "stts": ("stbl", 8, 8), "ctts": ("stbl", 8, 8), "stsc": ("stbl", 12, 12), "stco": ("stbl", 4, 4),
    "co64": ("stbl", 8, 8), "stss": ("stbl", 4, 4), "elst": ("edts", 12, 20),
}  # fmt: skip
LEAF = bytes(range(1, 200))


def leaf(folder: str, kind: str, content: bytes) -> bytes:
    """What becomes of a box with that *content* in a box of another kind."""
    data = box(folder.encode(), box(kind.encode(), content))
    copy = Copy(data)
    copy_movie(copy, box_at(data, 0, len(data)))
    return bytes(copy.clean[16:])


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("kind", FIXED)
def test_of_a_header_the_known_bytes_stay_but_not_its_times(kind, version):
    folder, *most = FIXED[kind]
    size = most[min(version, 1)]
    content = bytes([version]) + LEAF[1 : size + 20]
    expected = bytearray(content[:size].ljust(len(content), b"\0"))
    if kind in {"mvhd", "tkhd", "mdhd"}:
        expected[4 : 20 if version else 12] = bytes(16 if version else 8)
    if kind == "mvhd":
        expected[size - 28 : size - 4] = bytes(24)
    assert leaf(folder, kind, content) == bytes(expected)
    leaf(folder, kind, content[:size])
    with pytest.raises(NotAnImage):
        leaf(folder, kind, content[: size - 1])


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("kind", sorted(TABLES.keys() - {"stsc", "stco", "co64"}))
def test_of_a_table_its_entries_stay(kind, version):
    folder, *width = TABLES[kind]
    content = bytes([version, 0, 0, 0, 0, 0, 0, 2]) + LEAF[: 2 * width[min(version, 1)]]
    if folder == "stbl":  # what the samples are is read from other boxes of the same folder
        whole = movie(STSC, STSZ, STCO, box(kind.encode(), content + b"TEXT"))
        assert copied(whole)[0].endswith(content + bytes(4))
        with pytest.raises(NotAnImage):
            copied(movie(STSC, STSZ, STCO, box(kind.encode(), content[:-1])))
    else:
        assert leaf(folder, kind, content + b"TEXT") == content + bytes(4)
        with pytest.raises(NotAnImage):
            leaf(folder, kind, content[:-1])


def test_a_data_reference_stays_if_it_is_to_this_file():
    assert leaf("dinf", "dref", SELF[8:]) == SELF[8:]
    for other in (SELF[8:] + b"\0", SELF[8:-1] + b"\0", b"\0" * 24):
        data = box(b"dinf", box(b"dref", other))
        copy = Copy(data)
        copy_movie(copy, box_at(data, 0, len(data)))
        assert bytes(copy.clean[8:]) == box(b"free", bytes(len(other)))


def test_of_two_boxes_of_a_kind_the_first_stays_but_every_track_does():
    again = table(b"stss", (1,))
    clean, _ = copied(movie(STSC, STSZ, STCO, again, again))
    assert clean.count(again) == 1
    track = movie()[8:]
    assert copied(box(b"moov", track, track))[1] == [(100, 105), (100, 105)]


@pytest.mark.parametrize(
    ("tables", "used"),
    [
        pytest.param([table(b"stsc", (1, 2, 1)), sizes(0, 5, 6, 7), table(b"stco", (100,), (200,))],
                     [(100, 111), (200, 207)], id="the last chunk is shorter"),
        pytest.param([table(b"stsc", (1, 1, 1), (2, 2, 1)), sizes(0, 5, 6, 7), table(b"stco", (100,), (200,))],
                     [(100, 105), (200, 213)], id="a run for each chunk"),
        pytest.param([table(b"stsc", (1, 1, 1), (1, 2, 1), (3, 1, 1)), sizes(0, 5, 6, 7),
                      table(b"stco", (100,), (200,), (300,))],
                     [(100, 111), (200, 207), (300, 300)], id="the last run that fits counts"),
        pytest.param([table(b"stsc", (1, 2, 1)), sizes(10, count=3), table(b"stco", (100,), (200,))],
                     [(100, 120), (200, 210)], id="samples of one size"),
        pytest.param([STSC, STSZ, table(b"co64", (2**40,), width="Q")], [(2**40, 2**40 + 5)], id="64 bits"),
        pytest.param([table(b"stsc"), STSZ, STCO], [(100, 100)], id="no run"),
        pytest.param([STSC, sizes(0), STCO], [(100, 100)], id="no sample"),
        pytest.param([STSC, STSZ, table(b"stco")], [], id="no chunk"),
    ],
)  # fmt: skip
def test_where_samples_are(tables, used):
    clean, found = copied(movie(*tables))
    assert found == used
    assert all(told in clean for told in tables)


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param([STSC, STSZ], id="no chunks"),
        pytest.param([STSC, STCO], id="no sizes"),
        pytest.param([STSZ, STCO], id="no runs"),
        pytest.param([STSC, sizes(0, 5, count=2), STCO], id="fewer sizes than it says"),
        pytest.param([STSC, sizes(0, 5, count=100_001), STCO], id="too many sizes"),
        pytest.param([STSC[:-1], STSZ, STCO], id="a run that is cut"),
    ],
)
def test_samples_that_are_nowhere_are_refused(tables):
    with pytest.raises(NotAnImage):
        copied(movie(*tables))
