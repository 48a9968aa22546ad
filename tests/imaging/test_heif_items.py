"""What the `meta` box of AVIF and HEIC says: every version of its parts, and the bounds of every number in it."""

import struct
from dataclasses import dataclass, replace

import pytest

from imges.errors import FormatRefused, NotAnImage
from imges.imaging import formats
from imges.imaging.formats import heif_items
from imges.imaging.formats.heif_boxes import top_boxes
from imges.imaging.formats.heif_items import Association, Meta, read_meta, read_references
from tests.imaging.boxes import box, full_box

ISPE = full_box(b"ispe", struct.pack(">II", 64, 48))
AV1C = box(b"av1C", b"\x81\0\0\0")
ENTRY = full_box(b"infe", b"\0\1\0\0av01\0", flags=2 << 24)


@dataclass(frozen=True)
class Heif:
    """The parts of a file with one item; a test changes one of them. *version* is in the highest byte of flags."""

    pitm: bytes = full_box(b"pitm", b"\0\1")
    iinf: bytes = full_box(b"iinf", b"\0\1", ENTRY)
    iloc: bytes = full_box(b"iloc", b"\x44\0\0\1", struct.pack(">HHHII", 1, 0, 1, 0, 1))
    ipco: bytes = box(b"ipco", ISPE, AV1C)
    ipma: bytes = full_box(b"ipma", struct.pack(">IHB", 1, 1, 2), b"\1\x82")
    more: bytes = b""
    brand: bytes = b"avif"

    @property
    def data(self) -> bytes:
        meta = full_box(b"meta", self.pitm, self.iinf, self.iloc, box(b"iprp", self.ipco, self.ipma), self.more)
        return box(b"ftyp", self.brand, bytes(4)) + meta + box(b"mdat", b"12")

    @property
    def meta(self) -> Meta:
        return read_meta(self.data, top_boxes(self.data))

    def at(self, part: bytes) -> int:
        """Where the payload of *part* begins in the file."""
        return self.data.index(part) + 8


PLAIN = Heif()


def refused(heif: Heif) -> bool:
    with pytest.raises(NotAnImage):
        formats.read("avif", heif.data)
    return True


def test_the_plain_file_is_read():
    header = formats.read("avif", PLAIN.data)
    assert (header.width, header.height, header.bits, header.frames) == (64, 48, 8, 1)
    assert PLAIN.meta.kinds == {1: b"av01"}
    assert PLAIN.meta.primary == 1


@pytest.mark.parametrize("part", [b"meta", b"pitm", b"iinf", b"iloc", b"iprp", b"ipco"])
def test_a_file_without_a_needed_part_is_refused(part):
    with pytest.raises(NotAnImage):
        formats.read("avif", PLAIN.data.replace(part, b"free"))


def test_of_two_boxes_of_a_kind_the_first_counts():
    heif = replace(PLAIN, more=full_box(b"pitm", b"\0\2"))
    assert heif.meta.primary == 1
    assert list(heif.meta.boxes) == [b"pitm", b"iinf", b"iloc", b"iprp"]
    with pytest.raises(NotAnImage):
        formats.read("avif", full_box(b"meta") + PLAIN.data)


# The primary item and the list of items


@pytest.mark.parametrize("number", [1, 0xFFFF, 0x10001])
def test_the_primary_item_of_version_1_has_four_bytes(number):
    kind = 3 << 24 if number > 0xFFFF else 2 << 24
    width = "I" if number > 0xFFFF else "H"
    heif = Heif(
        pitm=full_box(b"pitm", struct.pack(">I", number), flags=1 << 24),
        iinf=full_box(
            b"iinf", b"\0\2", ENTRY, full_box(b"infe", struct.pack(f">{width}H", number, 0), b"av01\0", flags=kind)
        )
        if number != 1
        else PLAIN.iinf,
        ipma=full_box(b"ipma", struct.pack(">IIB", 1, number, 2), b"\1\x82", flags=1 << 24),
    )
    assert heif.meta.primary == number
    header = formats.read("avif", heif.data)
    assert (header.width, header.height) == (64, 48)


def test_the_primary_item_of_version_0_has_two_bytes():
    assert replace(PLAIN, pitm=full_box(b"pitm", b"\1\2\3\4")).meta.primary == 0x0102


def test_the_filter_keeps_a_primary_item_of_version_1():
    heif = replace(PLAIN, pitm=full_box(b"pitm", b"\0\0\0\1TEXT", flags=1 << 24))
    start = heif.at(b"mdat") - 4
    where = full_box(b"iloc", b"\x44\0\0\1", struct.pack(">HHHII", 1, 0, 1, start, 2))
    heif = replace(heif, iloc=where)
    clean = b"".join(formats.strip(heif.data, formats.read("avif", heif.data)).parts)
    assert clean == heif.data.replace(b"TEXT", bytes(4))


@pytest.mark.parametrize(
    ("iinf", "kinds"),
    [
        pytest.param(full_box(b"iinf", b"\0\0\0\1", ENTRY, flags=1 << 24), {1: b"av01"}, id="a count of 4 bytes"),
        pytest.param(
            full_box(b"iinf", b"\0\1", full_box(b"infe", b"\0\1\0\0name\0")), {1: b"mime"}, id="entry of version 0"
        ),
        pytest.param(
            full_box(b"iinf", b"\0\1", full_box(b"infe", b"\0\1\0\0name\0", flags=1 << 24)),
            {1: b"mime"},
            id="entry of version 1",
        ),
        pytest.param(
            full_box(b"iinf", b"\0\1", full_box(b"infe", b"\0\1\0\2\0\0av01\0", flags=3 << 24)),
            {0x10002: b"av01"},
            id="entry of version 3",
        ),
        pytest.param(full_box(b"iinf", b"\0\0"), {}, id="no entry"),
    ],
)
def test_every_version_of_the_list_of_items_is_read(iinf, kinds):
    assert replace(PLAIN, iinf=iinf).meta.kinds == kinds


def test_an_item_that_is_there_twice_and_an_entry_of_another_kind_are_refused():
    assert refused(replace(PLAIN, iinf=full_box(b"iinf", b"\0\2", ENTRY, ENTRY)))
    assert refused(replace(PLAIN, iinf=full_box(b"iinf", b"\0\1", ENTRY.replace(b"infe", b"free"))))


# Where the items are


def iloc(sizes: int, *numbers: tuple[int, int], version: int = 0) -> bytes:
    """*sizes* as the box has them, four bits each; then numbers with their bytes."""
    told = b"".join(number.to_bytes(size) for number, size in numbers)
    return full_box(b"iloc", sizes.to_bytes(2), told, flags=version << 24)


COUNT, ITEM, FILE, EXTENTS = (1, 2), (1, 2), (0, 2), (1, 2)


@pytest.mark.parametrize(
    ("box_", "extent", "numbers", "ignored", "size"),
    [
        pytest.param(
            iloc(0x4400, COUNT, ITEM, FILE, EXTENTS, (5, 4), (6, 4)),
            (5, 11), [(12, 12), (14, 22)], [(10, 12), (14, 14)], 22, id="version 0",
        ),
        pytest.param(
            iloc(0x1210, COUNT, ITEM, FILE, (9, 1), EXTENTS, (5, 1), (6, 2)),
            (14, 20), [(12, 13), (15, 18)], [(10, 12), (15, 15)], 18, id="with a base",
        ),
        pytest.param(
            iloc(0x4404, COUNT, ITEM, FILE, EXTENTS, (5, 4), (6, 4)),
            (5, 11), [(12, 12), (14, 22)], [(10, 12), (14, 14)], 22, id="version 0 has no indexes",
        ),
        pytest.param(
            iloc(0x8804, COUNT, ITEM, (0, 2), FILE, EXTENTS, (7, 4), (5, 8), (6, 8), version=1),
            (5, 11), [(14, 14), (16, 36)], [(12, 14), (16, 20)], 36, id="version 1",
        ),
        pytest.param(
            iloc(0x4400, (1, 4), (1, 4), (0, 2), FILE, EXTENTS, (5, 4), (6, 4), version=2),
            (5, 11), [(18, 18), (20, 28)], [(16, 18), (20, 20)], 28, id="version 2",
        ),
        pytest.param(
            iloc(0x4400, COUNT, ITEM, (0xFFF0, 2), FILE, EXTENTS, (5, 4), (6, 4), version=1),
            (5, 11), [(14, 14), (16, 24)], [(12, 14), (16, 16)], 24, id="reserved bits of the method",
        ),
    ],
)  # fmt: skip
def test_every_form_of_the_locations_is_read(box_, extent, numbers, ignored, size):
    """The numbers are counted from the payload's start."""
    heif = replace(PLAIN, iloc=box_)
    start = heif.at(b"iloc") - 4
    found = heif.meta.locations
    assert found.extents == {1: [extent]}
    assert found.numbers == {1: [(start + a, start + b) for a, b in numbers]}
    assert found.ignored == [(start + a, start + b) for a, b in ignored]
    assert found.stop == start + size


def test_several_extents_and_items_are_read_one_behind_the_other():
    where = iloc(
        0x4404, (2, 2),
        (1, 2), (0, 2), FILE, (2, 2), (9, 4), (5, 4), (6, 4), (9, 4), (20, 4), (1, 4),
        (2, 2), (0, 2), FILE, (1, 2), (9, 4), (30, 4), (2, 4), version=1,
    )  # fmt: skip
    heif = replace(PLAIN, iloc=where)
    start = heif.at(b"iloc") - 4
    found = heif.meta.locations
    assert found.extents == {1: [(5, 11), (20, 21)], 2: [(30, 32)]}
    assert [[(a - start, b - start) for a, b in told] for told in found.numbers.values()] == [
        [(14, 14), (16, 40)], [(46, 46), (48, 60)],
    ]  # fmt: skip
    assert [(a - start, b - start) for a, b in found.ignored] == [(12, 14), (16, 20), (28, 32), (44, 46), (48, 52)]


def test_an_extent_may_reach_to_the_end_of_the_file_and_no_further():
    size = len(PLAIN.data)
    for begin, length in ((0, size), (size - 1, 1), (size, 0)):
        heif = replace(PLAIN, iloc=iloc(0x4400, COUNT, ITEM, FILE, EXTENTS, (begin, 4), (length, 4)))
        assert heif.meta.locations.extents == {1: [(begin, begin + length)]}
    for begin, length in ((0, size + 1), (size, 1), (size + 1, 0), (1, size)):
        assert refused(replace(PLAIN, iloc=iloc(0x4400, COUNT, ITEM, FILE, EXTENTS, (begin, 4), (length, 4))))


def test_an_extent_without_a_length_reaches_to_the_end():
    whole = replace(PLAIN, iloc=iloc(0x4000, COUNT, ITEM, FILE, EXTENTS, (5, 4)))
    size = len(whole.data)
    assert whole.meta.locations.extents == {1: [(5, size)]}
    for begin, ok in ((size, True), (size + 1, False)):
        heif = replace(PLAIN, iloc=iloc(0x4000, COUNT, ITEM, FILE, EXTENTS, (begin, 4)))
        assert heif.meta.locations.extents == {1: [(size, size)]} if ok else refused(heif)


@pytest.mark.parametrize(("begin", "length", "ok"), [(0, 4, True), (4, 0, True), (3, 2, False), (5, 0, False)])
def test_an_item_in_the_meta_box_itself_is_held_to_idat(begin, length, ok):
    where = iloc(0x4400, COUNT, ITEM, (1, 2), FILE, EXTENTS, (begin, 4), (length, 4), version=1)
    heif = replace(PLAIN, iloc=where, more=box(b"idat", b"1234"))
    start = heif.at(b"idat") - 4
    if ok:
        assert heif.meta.locations.extents == {1: [(start + begin, start + begin + length)]}
    else:
        assert refused(heif)


@pytest.mark.parametrize("method", [1, 2, 15])
def test_an_item_whose_bytes_are_nowhere_is_refused(method):
    where = iloc(0x4400, COUNT, ITEM, (method, 2), FILE, EXTENTS, (0, 4), (1, 4), version=1)
    more = box(b"idat", b"1234") if method > 1 else b""
    assert refused(replace(PLAIN, iloc=where, more=more))


def test_an_item_that_is_located_twice_is_refused():
    one = [ITEM, FILE, EXTENTS, (0, 4), (1, 4)]
    assert refused(replace(PLAIN, iloc=iloc(0x4400, (2, 2), *one, *one)))


def test_all_items_together_have_so_many_extents(monkeypatch: pytest.MonkeyPatch):
    extents = [(0, 4), (1, 4)]
    heif = replace(PLAIN, iloc=iloc(0x4400, (2, 2), ITEM, FILE, (2, 2), *extents * 2, (2, 2), FILE, EXTENTS, *extents))
    assert heif_items.MAX_EXTENTS == 10_000
    monkeypatch.setattr(heif_items, "MAX_EXTENTS", 3)
    assert len(heif.meta.locations.extents) == 2
    monkeypatch.setattr(heif_items, "MAX_EXTENTS", 2)
    assert refused(heif)


def test_there_are_only_so_many_items_and_extents(monkeypatch: pytest.MonkeyPatch):
    empty = [number for item in range(1, 5) for number in ((item, 2), FILE, (0, 2))]
    heif = replace(PLAIN, iloc=iloc(0x4400, (4, 2), *empty))
    monkeypatch.setattr(heif_items, "MAX_ENTRIES", 4)
    assert heif.meta.locations.extents == {1: [], 2: [], 3: [], 4: []}
    monkeypatch.setattr(heif_items, "MAX_ENTRIES", 3)
    assert refused(heif)


# Properties


def associations(*entries: bytes, version: int = 0, wide: bool = False) -> bytes:
    return full_box(b"ipma", struct.pack(">I", len(entries)), *entries, flags=version << 24 | wide)


@pytest.mark.parametrize(
    ("ipma", "item", "found", "places"),
    [
        pytest.param(associations(b"\0\1\2\1\x82"), 1, [(1, False), (2, True)], [(11, 12), (12, 13)], id="narrow"),
        pytest.param(
            associations(b"\0\1\2\0\1\x80\2", wide=True), 1, [(1, False), (2, True)], [(11, 13), (13, 15)], id="wide"
        ),
        pytest.param(
            associations(b"\0\1\0\2\1\x81", version=1), 0x10002, [(1, True)], [(13, 14)], id="items of 4 bytes"
        ),
        pytest.param(associations(b"\0\1\1\x7f"), 1, [(127, False)], [(11, 12)], id="the largest number"),
        pytest.param(associations(b"\0\1\1\x80"), 1, [(0, True)], [(11, 12)], id="number 0, essential"),
    ],
)
def test_every_form_of_the_associations_is_read(ipma, item, found, places):
    heif = replace(PLAIN, ipma=ipma)
    start = heif.at(b"ipma") - 4
    expected = [
        Association(which, essential, start + a, start + b)
        for (which, essential), (a, b) in zip(found, places, strict=True)
    ]
    assert heif.meta.associations == {item: expected}


def test_several_boxes_of_associations_are_read_and_an_item_without_any_has_none():
    other = associations(b"\0\1\1\2", b"\0\2\0")
    heif = replace(PLAIN, ipma=associations(b"\0\1\1\1") + box(b"free", b"abc") + other)
    assert {item: [told.which for told in all_] for item, all_ in heif.meta.associations.items()} == {1: [1, 2]}


def test_associations_end_where_their_box_does():
    assert refused(replace(PLAIN, ipma=associations(b"\0\1\2\1\x82\0")))
    assert refused(replace(PLAIN, ipma=associations(b"\0\1\3\1\x82")))


def test_there_are_only_so_many_associations(monkeypatch: pytest.MonkeyPatch):
    """An item counts as one too, or a million items without properties would cost nothing."""
    ipma = associations(b"\0\1\2\1\x82", b"\0\2\0") + associations(b"\0\3\1\1")
    heif = replace(PLAIN, ipma=ipma)
    monkeypatch.setattr(heif_items, "MAX_ENTRIES", 6)
    assert list(heif.meta.associations) == [1, 3]
    monkeypatch.setattr(heif_items, "MAX_ENTRIES", 5)
    with pytest.raises(NotAnImage):
        assert heif.meta


def test_an_association_with_no_such_property_says_nothing():
    heif = replace(PLAIN, ipma=associations(b"\0\1\4\0\1\2\3"))
    assert [told.kind for told in heif.meta.properties(1)] == [b"ispe", b"av1C"]
    assert heif.meta.properties(2) == []


# References


def iref(*entries: bytes, version: int = 0) -> bytes:
    return full_box(b"iref", *entries, flags=version << 24)


def read_iref(told: bytes) -> list[tuple[bytes, int, list[int]]]:
    heif = replace(PLAIN, more=told)
    return [(found.box.kind, found.source, found.targets) for found in read_references(heif.data, heif.meta)]


def test_every_version_of_the_references_is_read():
    assert read_iref(b"") == []
    assert read_iref(iref(box(b"dimg", b"\0\1\0\2\0\3\0\4"), box(b"auxl", b"\0\5\0\0"))) == [
        (b"dimg", 1, [3, 4]),
        (b"auxl", 5, []),
    ]
    assert read_iref(iref(box(b"cdsc", b"\0\1\0\2\0\1\0\1\0\3"), version=1)) == [(b"cdsc", 0x10002, [0x10003])]


@pytest.mark.parametrize("told", [b"\0\1\0\2\0\3", b"\0\1\0\1\0\3\0\4", b"\0\1\0\0\0"])
def test_a_reference_that_is_longer_or_shorter_than_it_says_is_refused(told):
    with pytest.raises(NotAnImage):
        read_iref(iref(box(b"dimg", told)))


def test_there_are_only_so_many_references(monkeypatch: pytest.MonkeyPatch):
    told = iref(box(b"dimg", b"\0\1\0\2\0\3\0\4"), box(b"auxl", b"\0\5\0\1\0\1"))
    monkeypatch.setattr(heif_items, "MAX_ENTRIES", 3)
    assert len(read_iref(told)) == 2
    monkeypatch.setattr(heif_items, "MAX_ENTRIES", 2)
    with pytest.raises(NotAnImage):
        read_iref(told)


# The header


@pytest.mark.parametrize(
    ("properties", "bits"),
    [
        pytest.param([full_box(b"pixi", b"\3\x0a\x0a\x0a"), AV1C], 10, id="pixi first"),
        pytest.param([box(b"av1C", b"\x81\0\x40\0")], 10, id="high bit depth"),
        pytest.param([box(b"av1C", b"\x81\0\x60\0")], 12, id="twelve bits"),
        pytest.param([box(b"av1C", b"\x81\0\x20\0")], 8, id="twelve bits without high bit depth"),
        pytest.param([box(b"av1C", b"\x81\0\x9f\0")], 8, id="other flags"),
        pytest.param([], 8, id="nothing says it"),
    ],
)
def test_bits_of_a_channel(properties, bits):
    numbers = bytes(range(1, 2 + len(properties)))
    heif = replace(
        PLAIN, ipco=box(b"ipco", ISPE, *properties), ipma=associations(b"\0\1" + bytes([len(numbers)]) + numbers)
    )
    assert formats.read("avif", heif.data).bits == bits


TURNS = [(None, [1, 8, 3, 6]), (0, [4, 5, 2, 7]), (1, [2, 7, 4, 5])]


@pytest.mark.parametrize(
    ("turns", "mirror", "orientation"),
    [(turns, mirror, said) for mirror, all_ in TURNS for turns, said in enumerate(all_)],
)
def test_rotation_and_mirror_are_returned_as_exif_would(turns, mirror, orientation):
    """The upper bits are reserved, and say nothing."""
    more = [box(b"irot", bytes([0xFC | turns]))] + ([] if mirror is None else [box(b"imir", bytes([0xFE | mirror]))])
    numbers = bytes(range(1, 2 + len(more)))
    heif = replace(PLAIN, ipco=box(b"ipco", ISPE, *more), ipma=associations(b"\0\1" + bytes([len(numbers)]) + numbers))
    assert formats.read("avif", heif.data).orientation == orientation


def test_only_the_viewers_of_heic_cut_to_the_clean_aperture():
    clap = box(b"clap", struct.pack(">8I", 60, 2, 44, 4, 0, 1, 0, 1))
    heif = replace(PLAIN, ipco=box(b"ipco", ISPE, clap))
    assert formats.read("heic", heif.data).displayed == (30, 11)
    assert formats.read("avif", heif.data).displayed == (64, 48)
    nothing = replace(PLAIN, ipco=box(b"ipco", ISPE, box(b"clap", struct.pack(">8I", 60, 0, 44, 0, 0, 1, 0, 1))))
    assert formats.read("heic", nothing.data).displayed == (60, 44)


def test_a_picture_that_does_not_say_its_size_is_refused():
    assert refused(replace(PLAIN, ipco=box(b"ipco", AV1C)))


@pytest.mark.parametrize(
    ("brands", "format"),
    [
        *[(brand, "avif") for brand in (b"avif", b"avis")],
        *[
            (brand, "heic")
            for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1hevc")
        ],
        (b"mif1\0\0\0\0miafavif", "avif"),
        (b"heic\0\0\0\0avif", "avif"),
        (b"abcd" + bytes(4) + b"abcd" * 97 + b"avif", "avif"),
    ],
)
def test_the_brands_say_which_format_it_is(brands, format):
    head = brands if len(brands) > 8 else brands[:4] + bytes(4) + brands[4:]
    assert formats.kind_of_heif(box(b"ftyp", head)) == format


@pytest.mark.parametrize(
    "brands", [b"mp42\0\0\0\0isom", b"abcdavif", b"abcd" + bytes(4) + b"abcd" * 98 + b"avif", b"abcd"]
)
def test_other_brands_are_refused(brands):
    with pytest.raises(FormatRefused):
        formats.kind_of_heif(box(b"ftyp", brands))


@pytest.mark.parametrize("brand", [b"mif1", b"msf1"])
def test_a_brand_of_any_codec_leaves_it_to_the_item(brand):
    assert formats.kind_of_heif(replace(PLAIN, brand=brand).data) == "avif"
    for kind, said in ((b"hvcC", "heic"), (b"av1C", "avif")):
        heif = replace(PLAIN, brand=brand, ipco=box(b"ipco", ISPE, box(kind)))
        assert formats.kind_of_heif(heif.data) == said
    with pytest.raises(FormatRefused):
        formats.kind_of_heif(replace(PLAIN, brand=brand, ipco=box(b"ipco", ISPE, box(b"jpgC"))).data)
    with pytest.raises(FormatRefused):
        formats.kind_of_heif(replace(PLAIN, brand=b"mp42").data)


def test_the_frames_of_a_sequence_are_those_of_its_longest_track():
    def track(frames: int) -> bytes:
        return box(
            b"trak",
            box(b"mdia", box(b"minf", box(b"stbl", full_box(b"stsz", struct.pack(">II", 1, frames))))),
        )

    for frames, told in (([3, 7, 2], 7), ([0], 1), ([], 1)):
        data = PLAIN.data + box(b"moov", box(b"free"), box(b"trak"), *map(track, frames))
        assert formats.read("avif", data).frames == told
