"""TIFF structures, in EXIF and as files, and the headers of BMP."""

import struct

import pytest

from imges.errors import FormatRefused, NotAnImage
from imges.imaging import formats
from imges.imaging.formats import exif


def tiff(*entries: tuple[int, int, int, bytes], order: str = ">", more: bytes = b"", at: int = 8) -> bytes:
    """Entries of tag, kind, count and four bytes; *more* behind them."""
    start = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(order + "I", at) + bytes(at - 8)
    told = b"".join(struct.pack(order + "HHI", *entry[:3]) + entry[3] for entry in entries)
    return start + struct.pack(order + "H", len(entries)) + told + more


def short(order: str, *values: int) -> bytes:
    return struct.pack(f"{order}{len(values)}H", *values).ljust(4, b"\0")


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_stand_in_the_entry_or_where_it_points(order):
    long = struct.pack(order + "I", 70_000)
    data = tiff(
        (1, 3, 1, short(order, 7)),
        (2, 3, 2, short(order, 8, 9)),
        (3, 4, 1, long),
        (4, 3, 3, struct.pack(order + "I", 82)),
        (5, 4, 2, struct.pack(order + "I", 82)),
        (6, 2, 1, b"A\0\0\0"),
        (7, 3, 0, bytes(4)),
        order=order,
        at=10,
        more=bytes(82 - 10 - 2 - 7 * 12 + 0 if 82 > 96 else 0),
    )
    data = data.ljust(110, b"\0")
    values = struct.pack(order + "4H", 1, 2, 3, 4)
    data = data[:100] + values
    data = data.replace(struct.pack(order + "I", 82), struct.pack(order + "I", 100))
    found = exif.first_directory(data)
    assert found == {
        1: (7,),
        2: (8, 9),
        3: (70_000,),
        4: (1, 2, 3),
        5: struct.unpack(order + "2I", values),
    }


def test_at_most_16_values_and_1000_tags_are_read():
    many = tiff((1, 3, 2**32 - 1, struct.pack(">I", 30)), more=bytes(8) + struct.pack(">20H", *range(20)))
    assert exif.first_directory(many) == {1: tuple(range(16))}
    data = tiff(*[(tag, 3, 1, short(">", tag)) for tag in range(1002)])
    assert list(exif.first_directory(data)) == list(range(1000))


@pytest.mark.parametrize("start", [b"MM*\0", b"II\0*", b"MM\0+", b""])
def test_what_is_no_tiff_and_a_tag_twice_are_refused(start):
    with pytest.raises(ValueError, match="no TIFF header"):
        exif.first_directory(start + bytes(20))
    with pytest.raises(ValueError, match="twice"):
        exif.first_directory(tiff((1, 3, 1, bytes(4)), (1, 3, 1, bytes(4))))


@pytest.mark.parametrize(("value", "told"), [(0, 1), *[(n, n) for n in range(1, 9)], (9, 1), (65_535, 1)])
def test_only_real_orientations_are_returned(value, told):
    assert exif.orientation(tiff((0x0112, 3, 1, short(">", value)))) == told
    assert exif.orientation(tiff((0x0111, 3, 1, short(">", value)))) == 1


def test_a_broken_block_tells_nothing_and_our_own_can_be_read():
    whole = tiff((0x0112, 3, 1, short(">", 6)))
    assert {exif.orientation(whole[:length]) for length in range(len(whole) - 2)} == {1}
    for orientation in range(1, 9):
        assert exif.orientation(exif.minimal(orientation)) == orientation
    assert exif.minimal(6) == b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"


SIX = (0x0112, 3, 1, short(">", 6))
LONG = (0x0112, 4, 1, struct.pack(">I", 3))


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        pytest.param([(0x0100, 3, 1, bytes(4))] * 2 + [SIX], 6, id="another tag twice"),
        pytest.param([(0x8769, 4, 1, bytes(4)), SIX], 6, id="not sorted"),
        pytest.param([(0x010F, 2, 99_999, b"\xff" * 4), SIX], 6, id="behind a tag that points nowhere"),
        pytest.param([(0x010F, 2, 4, b"abc\0")] * 1500 + [SIX], 6, id="behind 1,500 tags"),
        pytest.param([SIX, (0x0112, 3, 1, short(">", 1))], 6, id="the first of two counts"),
        pytest.param([(0x0112, 3, 1, short(">", 9)), SIX], 6, id="a made-up one does not"),
        pytest.param([LONG, SIX], 6, id="LONG and SHORT"),
        pytest.param([LONG], 1, id="LONG"),
        pytest.param([(0x0112, 1, 1, b"\6\0\0\0")], 1, id="BYTE"),
        pytest.param([(0x0112, 3, 2, short(">", 6))], 1, id="two values"),
        pytest.param([(0x0112, 3, 0, short(">", 6))], 1, id="no value"),
    ],
)
def test_the_orientation_is_what_chromium_obeys(entries, told):
    """Each of these was shown to chromium 150 as a JPEG."""
    assert exif.orientation(tiff(*entries)) == told


def test_a_directory_may_be_cut_behind_the_orientation():
    block = exif.minimal(6)
    assert exif.orientation(block[:8] + b"\0\x32" + block[10:]) == 6


def test_the_header_of_a_tiff():
    size = [(256, 3, 1, short("<", 64)), (257, 4, 1, struct.pack("<I", 48))]
    header = formats.read("tiff", tiff(*size, order="<"))
    assert (header.width, header.height, header.bits, header.orientation) == (64, 48, 1, 1)
    deep = formats.read("tiff", tiff(*size, (258, 3, 2, short("<", 8, 16)), (0x0112, 3, 1, short("<", 8)), order="<"))
    assert (deep.bits, deep.displayed) == (16, (48, 64))
    for broken in (tiff(size[0], order="<"), tiff(size[1], order="<"), tiff(*size, size[0], order="<")):
        with pytest.raises(NotAnImage, match="TIFF is damaged"):
            formats.read("tiff", broken)


def test_the_header_of_a_bmp():
    start = b"BM" + bytes(12)
    modern = formats.read("bmp", start + struct.pack("<Iii", 40, 64, -48))
    assert (modern.width, modern.height) == (64, 48)
    core = formats.read("bmp", start + struct.pack("<IHH", 12, 64, 65_535))
    assert (core.width, core.height) == (64, 65_535)
    for size in ((-1, 48), (0, 48), (64, 0)):
        with pytest.raises(NotAnImage, match="no pixels"):
            formats.read("bmp", start + struct.pack("<Iii", 40, *size))
    assert formats.read("bmp", start + struct.pack("<Iii", 40, 1, 1)).width == 1


SIZE = [(256, 3, 1, short("<", 64)), (257, 3, 1, short("<", 48))]


@pytest.mark.parametrize(
    ("entries", "error", "words"),
    [
        pytest.param([(339, 3, 1, short("<", 3))], NotAnImage, "floating-point", id="float"),
        pytest.param([(339, 3, 1, short("<", 2))], NotAnImage, "signed", id="signed"),
        pytest.param([(258, 3, 1, short("<", 32))], NotAnImage, "32-bit", id="32 bits"),
        pytest.param([(258, 3, 2, short("<", 16, 16)), (284, 3, 1, short("<", 2))], NotAnImage, "16 bits", id="planar"),
        pytest.param([(258, 3, 1, short("<", 16)), (262, 3, 1, short("<", 0))], NotAnImage, "16 bits", id="negative"),
        pytest.param([(262, 3, 1, short("<", 32803))], FormatRefused, "camera raw", id="a sensor's"),
        pytest.param([(254, 4, 1, b"\1\0\0\0"), (330, 4, 1, bytes(4))], FormatRefused, "camera raw", id="a preview"),
        pytest.param([(50706, 1, 4, b"\1\4\0\0")], FormatRefused, "DNG", id="DNG"),
    ],
)
def test_a_tiff_that_would_be_destroyed_is_refused(entries, error, words):
    with pytest.raises(error, match=words):
        formats.read("tiff", tiff(*SIZE, *entries, order="<"))


def test_a_tiff_has_one_page():
    first = tiff(*SIZE, order="<", more=bytes(4))
    for kind, pages in ((0, 2), (1, 1)):
        second = tiff((254, 4, 1, bytes([kind, 0, 0, 0])), order="<", more=bytes(4))[8:]
        data = first[:-4] + struct.pack("<I", len(first)) + second
        if pages == 1:
            assert formats.read("tiff", data).width == 64
        else:
            with pytest.raises(NotAnImage, match="2 pages"):
                formats.read("tiff", data)
    looped = first[:-4] + struct.pack("<I", 8)
    assert formats.read("tiff", looped).width == 64
