"""GIF by hand: blocks, frames, palettes and loops."""

import struct

import pytest

from imges.errors import NotAnImage
from imges.imaging import formats
from imges.imaging.formats import gif

SHARED = bytes(range(6))
OWN = bytes(range(10, 22))
LOOPS = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x05\x02\0"


def image(left: int = 0, top: int = 0, width: int = 9, height: int = 7, own: bytes = b"") -> bytes:
    """A frame with two blocks of pixels; *own* is a palette of four colours."""
    flags = 0x81 if own else 0
    return b"\x2c" + struct.pack("<HHHHB", left, top, width, height, flags) + own + b"\x02\x02ab\x01c\0"


def control(flags: int = 0, delay: int = 0, transparent: int = 0) -> bytes:
    return b"\x21\xf9\x04" + struct.pack("<BHB", flags, delay, transparent) + b"\0"


def file(*blocks: bytes, shared: bytes = SHARED, end: bytes = b"\x3b") -> bytes:
    flags = 0x80 if shared else 0
    return b"GIF89a" + struct.pack("<HHBBB", 9, 7, flags, 0, 0) + shared + b"".join(blocks) + end


def stripped(data: bytes) -> bytes:
    return b"".join(formats.strip(data, formats.read("gif", data)).parts)


def test_the_header_counts_the_frames():
    header = formats.read("gif", file(image(), control(), image(), image(own=OWN)))
    assert (header.width, header.height, header.frames, header.channels) == (9, 7, 3, 3)
    assert formats.read("gif", file(image(own=OWN), shared=b"")).frames == 1


@pytest.mark.parametrize("flags", range(8))
def test_a_palette_has_a_power_of_two_colours(flags):
    palette = bytes(3 * 2 ** (flags + 1))
    data = b"GIF89a" + struct.pack("<HHBBB", 9, 7, 0x80 | flags, 0, 0) + palette + image() + b"\x3b"
    assert formats.read("gif", data).frames == 1
    assert stripped(data) == data
    assert gif.frames(data)[0].palette == palette


@pytest.mark.parametrize(
    ("place", "canvas"),
    [
        ((0, 0, 9, 7), (9, 7)), ((8, 6, 1, 1), (9, 7)), ((1, 0, 9, 7), (10, 7)), ((0, 1, 9, 7), (9, 8)),
        ((0, 0, 10, 1), (10, 7)), ((0, 0, 1, 8), (9, 8)),
    ],
)  # fmt: skip
def test_the_canvas_grows_to_the_first_frame(place, canvas):
    for data in (file(image(*place)), file(image(*place), image(0, 0, 99, 99))):
        header = formats.read("gif", data)
        assert (header.width, header.height) == canvas
        assert stripped(data)[6:10] == struct.pack("<HH", *canvas)


@pytest.mark.parametrize(
    "data",
    [file(), file(b"\x2d" + image()[1:]), file(image())[:-5]],
    ids=["no frame", "an unknown block", "a frame that is cut"],
)
def test_what_is_damaged_is_refused(data):
    with pytest.raises(NotAnImage):
        formats.read("gif", data)


@pytest.mark.parametrize(
    "end", [b"", b"\0\0\x3b", b"abc\x3b", b"\x21\xfe\x05x", b"\x21"], ids=["none", "zeros", "bytes", "cut", "begun"]
)
def test_an_ending_is_written(end):
    assert stripped(file(image(), end=end)) == file(image())


def test_there_are_only_so_many_blocks(monkeypatch):
    comment = b"\x21\xfe\0"
    monkeypatch.setattr(gif, "MAX_BLOCKS", 4)
    assert stripped(file(comment, comment, image())) == file(image())
    with pytest.raises(NotAnImage):
        formats.read("gif", file(comment, comment, image(), comment, comment))
    monkeypatch.setattr(gif, "MAX_SUB_BLOCKS", 2)
    with pytest.raises(NotAnImage, match="too many blocks"):
        formats.read("gif", file(b"\x21\xfe" + b"\x01x" * 2 + b"\0", image()))


def test_a_frame_is_shown_as_the_control_before_it_says():
    data = file(
        control(0b1001, 10, 1), image(), image(0, 0, 9, 6, OWN), control(0b1100, 7, 3), image(0, 0, 8, 7),
        control(0b0100, 3), image(), control(0b0111_01_00, 0, 0), image(),
        control(1, 0, 2), b"\x21\xfe\x01x\0", image(),
    )  # fmt: skip
    assert [(one.box, one.delay, one.palette, one.transparent, one.disposal) for one in gif.frames(data)] == [
        ((0, 0, 9, 7), 10, SHARED, 1, 2),
        ((0, 0, 9, 6), 0, OWN, None, 0),
        ((0, 0, 8, 7), 7, SHARED, None, 3),
        ((0, 0, 9, 7), 3, SHARED, None, 1),
        ((0, 0, 9, 7), 0, SHARED, None, 5),
        ((0, 0, 9, 7), 0, SHARED, 2, 0),
    ]


@pytest.mark.parametrize("name", [b"NETSCAPE2.0", b"ANIMEXTS1.0"])
def test_loops_are_those_of_the_last_application_block_that_says_it(name):
    told = LOOPS.replace(b"NETSCAPE2.0", name)
    assert gif.loops(file(told.replace(b"\x05\x02", b"\1\1"), told, image())) == 0x0205
    assert gif.loops(file(told.replace(b"\x05\x02", b"\1\1"), image(), told)) == 0x0205
    other = b"\x21\xff\x0bXMP DataXMP\x03\x01\x07\x07\0"
    assert gif.loops(file(other, told, image())) == 0x0205
    buffered = told.replace(b"\x03\x01", b"\x03\x02")
    assert gif.loops(file(buffered, image())) is None
    assert gif.loops(file(told.replace(b"\xff", b"\xfe", 1), image())) is None
    assert gif.loops(file(image())) is None


def test_only_frames_how_they_are_shown_and_how_often_stay():
    clean = file(LOOPS, control(1, 2, 3), image(), image())
    comment, text = b"\x21\xfe\x06SECRET\0", b"\x21\x01\x0c" + bytes(12) + b"\x06SECRET\0"
    application = b"\x21\xff\x0bXMP DataXMP\x06SECRET\0"
    dirty = file(
        comment, application, control(9, 9), text, LOOPS, control(0, 9), control(1, 2, 3), comment, image(),
        application, image(), control(7, 7), comment,
    )  # fmt: skip
    assert stripped(dirty + b"SECRET") == clean
    assert stripped(clean) == clean
    assert stripped(file(image())) == file(image())


def test_of_a_control_its_four_bytes_stay():
    long = b"\x21\xf9\x05" + struct.pack("<BHB", 1, 2, 3) + b"S\0"
    assert stripped(file(long, image())) == file(control(1, 2, 3), image())
