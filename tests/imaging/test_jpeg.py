"""JPEG by hand: segments, their bounds, and which of them stay."""

import struct

import pytest

from imges.errors import NotAnImage
from imges.imaging import formats
from imges.imaging.formats import exif
from tests.imaging.samples import segment

SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def frame(marker: int = 0xC0, bits: int = 8, height: int = 48, width: int = 64, channels: int = 3) -> bytes:
    return segment(marker, struct.pack(">BHHB", bits, height, width, channels))


def scan(data: bytes = b"\x01\xff\0\x02\xff\xd0\x03\xff\xd7") -> bytes:
    """A scan with stuffed bytes and restart markers in its data."""
    return segment(0xDA, b"\x00") + data


def jpeg(*segments: bytes, end: bytes = EOI) -> bytes:
    return SOI + b"".join(segments or (frame(), scan())) + end


def stripped(data: bytes, orientation: int = 1) -> bytes:
    header = formats.read("jpg", data)
    assert header.orientation == orientation
    return b"".join(formats.strip(data, header).parts)


KEPT = [0xC0, 0xC4, 0xCC, 0xDB, 0xDC, 0xDD]


@pytest.mark.parametrize("marker", KEPT)
def test_what_decoders_need_stays(marker):
    more = [] if marker == 0xC0 else [segment(marker, b"tables")]
    data = jpeg(*more, frame(), scan(), *more, scan())
    assert stripped(data) == data


@pytest.mark.parametrize("marker", [*range(0xE0, 0xF0), 0xFE])
def test_what_could_be_text_goes(marker):
    assert stripped(jpeg(frame(), segment(marker, b"SECRET-SECRET-SECRET"), scan())) == jpeg()


@pytest.mark.parametrize("marker", [0x02, 0xBF, 0xC8, 0xDE, 0xDF, 0xF0, 0xF7, 0xFD])
def test_an_unknown_marker_is_refused(marker):
    for data in (jpeg(segment(marker, b"1234"), frame(), scan()), jpeg(frame(), segment(marker, b"1234"), scan())):
        with pytest.raises(NotAnImage):
            formats.read("jpg", data)


def exif_segment(orientation: int, name: bytes = b"Exif\0\0") -> bytes:
    return segment(0xE1, name + exif.minimal(orientation))


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        pytest.param([exif_segment(6), exif_segment(3)], 6, id="the first of two"),
        pytest.param([segment(0xE1, b"Exif\0\0broken"), exif_segment(6)], 1, id="the first, also if it is broken"),
        pytest.param([segment(0xE1, b"Exif\0\0"), exif_segment(6)], 6, id="an empty one does not count"),
        pytest.param([segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0"), exif_segment(6)], 6, id="XMP does not count"),
        pytest.param([exif_segment(6, b"Exif\0\xff")], 6, id="another byte behind the name"),
        pytest.param([exif_segment(6, b"exif\0\0")], 1, id="another name"),
        pytest.param([frame(), exif_segment(6)], 6, id="behind the frame's header"),
        pytest.param([frame(), scan(), exif_segment(6)], 1, id="behind the scan"),
    ],
)
def test_the_first_exif_segment_alone_is_obeyed(segments, told):
    more = [one for one in (frame(), scan()) if one not in segments]
    data = jpeg(*segments, *more)
    turned = [exif_segment(told)] if told != 1 else []
    assert stripped(data, told) == jpeg(*turned, frame(), scan())


def test_markers_without_a_segment_and_fill_bytes_go():
    data = jpeg(b"\xff\x01", b"\xff\xd0", b"\xff\xd7", b"\xff\xff", frame(), scan())
    assert stripped(data) == jpeg()


@pytest.mark.parametrize("marker", sorted(set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}))
def test_every_kind_of_frame_says_the_size(marker):
    header = formats.read("jpg", jpeg(frame(marker, 12, 3, 5, 4), scan()))
    assert (header.width, header.height, header.bits, header.channels) == (5, 3, 12, 4)
    assert header.progressive == (marker in {0xC2, 0xC6, 0xCA, 0xCE})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(jpeg(frame(), frame(), scan()), id="two frames"),
        pytest.param(jpeg(segment(0xC0, bytes([8, 0, 1, 0, 1])), scan()), id="a frame of five bytes"),
        pytest.param(jpeg(segment(0xDB, b"x"), scan()), id="no frame"),
        pytest.param(SOI + EOI, id="nothing"),
        pytest.param(jpeg(b"\xff\xdb\0\1", frame(), scan()), id="a length of one"),
        pytest.param(SOI + frame()[:-1], id="a segment that is cut"),
    ],
)
def test_a_header_that_is_damaged_is_refused(data):
    with pytest.raises(NotAnImage):
        formats.read("jpg", data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(jpeg(frame(), segment(0xDA, b"\0"), end=b""), id="a scan without data"),
        pytest.param(jpeg(frame(), scan(b"\x01\xff")), id="data that ends with half a marker"),
    ],
)
def test_a_picture_that_is_damaged_behind_its_header_is_refused(data):
    header = formats.read("jpg", data)
    if data.endswith(b"\xff" + EOI):
        assert b"".join(formats.strip(data, header).parts)
        return
    with pytest.raises(NotAnImage):
        formats.strip(data, header)


@pytest.mark.parametrize(
    "end",
    [b"", b"\xff\xe1", b"\xff\xe1\0", segment(0xFE, b"12")[:-1], b"\xff\xd8\xff", b"\xff\x01"],
    ids=["none", "a marker", "a length", "a segment that is cut", "another picture", "a marker alone"],
)
def test_an_ending_is_written(end):
    data = jpeg(end=end)
    assert formats.strip(data, formats.read("jpg", data)).mended
    assert stripped(data) == jpeg()


def test_what_is_dropped_may_be_shorter_than_its_length():
    for length in (b"\0\0", b"\0\1"):
        assert stripped(jpeg(b"\xff\xe5" + length, frame(), scan())) == jpeg()


def test_there_are_only_so_many_segments(monkeypatch):
    monkeypatch.setattr("imges.imaging.formats.jpeg.MAX_SEGMENTS", 4)
    assert stripped(jpeg(segment(0xE1, b""), frame(), scan())) == jpeg()
    with pytest.raises(NotAnImage):
        stripped(jpeg(*[segment(0xE1, b"")] * 2, frame(), scan()))


def test_a_segment_may_be_empty_and_reach_to_the_end():
    data = jpeg(segment(0xDD, b""), frame(), scan(b""))
    assert stripped(data) == data
    last = SOI + frame() + scan() + segment(0xDB, b"x")
    assert stripped(last) == last + EOI


def test_a_picture_has_at_most_100_scans():
    for scans in (100, 101):
        data = jpeg(frame(), *[scan()] * scans)
        if scans == 100:
            assert stripped(data) == data
        else:
            with pytest.raises(NotAnImage, match="too many scans"):
                stripped(data)


def test_of_jfif_the_density_stays():
    jfif = b"JFIF\0\1\2\1\0\x48\0\x48"
    plain = segment(0xE0, jfif + b"\0\0")
    assert stripped(jpeg(plain, frame(), scan())) == jpeg(plain, frame(), scan())
    thumbnail = segment(0xE0, jfif + b"\2\2SECRET")
    assert stripped(jpeg(segment(0xE0, b"JFXX\0SECRET-SECRET"), thumbnail, plain, frame(), scan())) == jpeg(
        plain, frame(), scan()
    )
    assert stripped(jpeg(segment(0xE0, jfif + b"\0"), frame(), scan())) == jpeg()
    assert stripped(jpeg(segment(0xE1, jfif + b"\0\0"), frame(), scan())) == jpeg()


def test_of_adobes_segment_the_colour_transform_stays():
    adobe = b"Adobe\0\x64\0\0\0\0\1"
    assert stripped(jpeg(segment(0xEE, adobe + b"SECRET"), frame(), scan())) == jpeg(
        segment(0xEE, adobe), frame(), scan()
    )
    for other in (segment(0xEE, adobe[:-1]), segment(0xED, adobe), segment(0xEE, b"adobe" + adobe[5:])):
        assert stripped(jpeg(other, frame(), scan())) == jpeg()


def icc(number: int, count: int, body: bytes = b"profile") -> bytes:
    return segment(0xE2, b"ICC_PROFILE\0" + bytes([number, count]) + body)


def test_a_profile_stays_if_all_of_it_is_there():
    for chunks in ([icc(1, 1)], [icc(1, 2), icc(2, 2)], [icc(2, 2), icc(1, 2)]):
        data = jpeg(*chunks, frame(), scan())
        assert stripped(data) == data
    for chunks in ([icc(1, 2)], [icc(2, 2)], [icc(0, 1)], [icc(1, 2), icc(1, 2), icc(2, 2)], [icc(1, 2), icc(2, 3)]):
        assert stripped(jpeg(*chunks, frame(), scan())) == jpeg()
    assert stripped(jpeg(segment(0xE2, b"ICC_PROFILE\0\1"), frame(), scan())) == jpeg()
    assert stripped(jpeg(segment(0xE3, b"ICC_PROFILE\0\1\1"), frame(), scan())) == jpeg()


@pytest.mark.parametrize(("more", "stays"), [(0, True), (1, False)])
def test_a_profile_has_at_most_a_megabyte(more, stays):
    sizes = [65_000] * 16 + [2**20 - 16 * 65_000 - 17 * 14 + more]
    chunks = [icc(number, 17, bytes(size)) for number, size in enumerate(sizes, 1)]
    data = jpeg(*chunks, frame(), scan())
    assert stripped(data) == (data if stays else jpeg())


@pytest.mark.parametrize("more", [[icc(1, 1)], [icc(1, 1, b"other")], [icc(1, 2), icc(2, 2)]])
def test_of_two_profiles_the_first_stays(more: list[bytes]):
    assert stripped(jpeg(icc(1, 1), *more, frame(), scan())) == jpeg(icc(1, 1), frame(), scan())


def test_the_orientation_is_written_anew():
    tiff = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    exif = segment(0xE1, b"Exif\0\0" + tiff)
    assert stripped(jpeg(segment(0xE1, b"Exif\0\0" + tiff + b"SECRET"), frame(), scan()), 6) == jpeg(
        exif, frame(), scan()
    )
    assert formats.read("jpg", jpeg(segment(0xE2, b"Exif\0\0" + tiff), frame(), scan())).orientation == 1
