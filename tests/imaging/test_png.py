"""PNG by hand: chunks, their bounds, how many bytes a picture needs, and which chunks stay."""

import struct
import zlib

import pytest

from imges.errors import NotAnImage
from imges.imaging import formats
from imges.imaging.formats import exif, parts, png
from tests.imaging.samples import png_chunk, png_header, png_of

PIXELS = bytes(3 * (1 + 4 * 3))
STORED = bytes(png.deflate.zlib_compress(PIXELS, 0))


def data_chunk(pixels: bytes = PIXELS) -> bytes:
    return png_chunk(b"IDAT", zlib.compress(pixels))


def plain(*more: bytes, header: bytes | None = None, pixels: bytes = PIXELS) -> bytes:
    """Four by three pixels, with *more* before them."""
    return png_of(header or png_header(4, 3), *more, data_chunk(pixels))


def stripped(data: bytes) -> bytes:
    return b"".join(formats.strip(data, formats.read("png", data)).parts)


@pytest.mark.parametrize("bits", range(18))
@pytest.mark.parametrize("colour", range(8))
def test_only_bits_and_colours_of_the_standard_are_read(bits, colour):
    data = plain(header=png_header(4, 3, bits, colour))
    if bits in {1, 2, 4, 8, 16} and colour in {0, 2, 3, 4, 6}:
        header = formats.read("png", data)
        assert (header.width, header.height, header.bits, header.palette) == (4, 3, bits, colour == 3)
        return
    with pytest.raises(NotAnImage):
        formats.read("png", data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png_of(data_chunk()), id="no header"),
        pytest.param(png_of(png_chunk(b"tEXt", b""), png_header(4, 3)), id="the header is second"),
        pytest.param(png_of(png_chunk(b"IHDR", bytes(14)), data_chunk()), id="a header that is too long"),
        pytest.param(plain()[:-13], id="cut within the pixels"),
    ],
)
def test_what_is_damaged_is_refused(data):
    with pytest.raises(NotAnImage):
        formats.read("png", data)


def test_a_file_has_only_so_many_chunks(monkeypatch):
    assert parts.MAX_CHUNKS == 50_000
    monkeypatch.setattr("imges.imaging.formats.png.MAX_CHUNKS", 3)
    assert formats.read("png", plain()).width == 4
    with pytest.raises(NotAnImage):
        formats.read("png", plain(png_chunk(b"tEXt", b"")))


@pytest.mark.parametrize(
    ("size", "bits", "colour", "interlace", "needed"),
    [
        ((4, 3), 8, 2, 0, 3 * 13), ((4, 3), 16, 6, 0, 3 * 33), ((9, 2), 1, 0, 0, 2 * 3), ((8, 2), 1, 3, 0, 2 * 2),
        ((3, 2), 4, 3, 0, 2 * 3), ((3, 2), 2, 3, 0, 2 * 2), ((2, 1), 8, 4, 0, 5), ((2, 2), 8, 0, 0, 6),
        ((1, 1), 8, 0, 1, 2), ((8, 8), 8, 0, 1, 2 + 2 + 3 + 2 * 3 + 2 * 5 + 4 * 5 + 4 * 9),
        ((5, 5), 8, 0, 1, 2 + 2 + 3 + 2 * 2 + 4 + 3 * 3 + 2 * 6), ((4, 3), 8, 2, 1, 4 + 4 + 7 + 2 * 7 + 13),
    ],
)  # fmt: skip
def test_how_many_bytes_a_picture_needs(size, bits, colour, interlace, needed):
    header = png_header(size[0], size[1], bits, colour, interlace)
    for pixels, whole in ((needed, True), (needed - 1, False), (needed + 1, True)):
        data = png_of(header, data_chunk(bytes(pixels)))
        assert png.is_whole(data) is whole
        assert (png.inflated(data) is not None) is (pixels == needed)


def test_pixels_may_be_in_several_chunks_and_damaged_ones_are_not_whole():
    packed = zlib.compress(PIXELS)
    data = png_of(png_header(4, 3), *[png_chunk(b"IDAT", packed[at : at + 3]) for at in range(0, len(packed), 3)])
    assert png.is_whole(data)
    assert png.inflated(data) == png_of(png_header(4, 3), png_chunk(b"IDAT", STORED))
    broken = png_of(png_header(4, 3), png_chunk(b"IDAT", b"y" + packed[1:]))
    assert not png.is_whole(broken)
    assert png.inflated(broken) is None
    large = png_of(png_header(4000, 3000, 8, 0), png_chunk(b"IDAT", zlib.compress(bytes(4001 * 3000))))
    assert png.is_whole(large)


def test_what_says_how_to_show_a_still_goes_to_the_decoder():
    kept = png_chunk(b"gAMA", bytes(4)) + png_chunk(b"PLTE", bytes(6))
    data = plain(png_chunk(b"tEXt", b"x"), kept, png_chunk(b"acTL", bytes(8)))
    assert png.inflated(data) == png_of(png_header(4, 3), kept, png_chunk(b"IDAT", STORED))


DISPLAY = {
    b"tRNS": 256, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"sBIT": 4, b"bKGD": 6, b"pHYs": 9, b"cICP": 4, b"mDCV": 24,
    b"cLLI": 8,
}  # fmt: skip
"""Chunks that say how to show a picture, and their most bytes by the standard."""


@pytest.mark.parametrize("kind", DISPLAY)
def test_what_says_how_to_show_the_picture_stays_once_and_up_to_its_length(kind):
    fits, longer = png_chunk(kind, bytes(DISPLAY[kind])), png_chunk(kind, bytes(DISPLAY[kind] + 1))
    assert stripped(plain(fits)) == plain(fits)
    assert stripped(plain(longer)) == plain()
    assert stripped(plain(fits, fits)) == plain(fits)
    assert stripped(plain(longer, fits)) == plain()


@pytest.mark.parametrize("kind", [b"PLTE", b"acTL", b"fcTL", b"fdAT"])
def test_the_picture_stays(kind):
    data = plain(png_chunk(kind, b"123"), png_chunk(kind, b"456"))
    assert stripped(data) == data


@pytest.mark.parametrize("kind", [b"tEXt", b"eXIf", b"prVt", b"zTXt"])
def test_what_is_not_needed_goes(kind):
    assert stripped(plain(png_chunk(kind, b"SECRET"))) == plain()


def test_the_orientation_stands_behind_the_header():
    turned = png_chunk(b"eXIf", exif.minimal(6))
    data = plain(png_chunk(b"tEXt", b"x"), png_chunk(b"eXIf", exif.minimal(6) + b"SECRET"), png_chunk(b"eXIf", b""))
    assert formats.read("png", data).orientation == 6
    assert stripped(data) == plain(turned)


@pytest.mark.parametrize(
    "end",
    [b"", png_of()[8:-1], png_of()[8:-4] + b"abcd", bytes(20), b"\0\0\0\x01te\0tx", png_chunk(b"tEXt", b"cut")[:-1]],
    ids=["none", "cut", "a wrong checksum", "zeros", "no chunk", "a cut chunk"],
)
def test_an_ending_is_written(end):
    assert stripped(plain()[:-12] + end) == plain()


def test_what_is_dropped_needs_no_checksum():
    for kind in (b"tEXt", b"gAMA", b"iCCP"):
        assert stripped(plain(png_chunk(kind, b"1234")[:-4] + b"abcd")) == plain()
    gamma = png_chunk(b"gAMA", b"1234")
    assert stripped(plain(gamma[:-4] + b"abcd", gamma)) == plain(gamma)


def test_only_the_first_sound_orientation_before_the_pixels_counts():
    six, three = png_chunk(b"eXIf", exif.minimal(6)), png_chunk(b"eXIf", exif.minimal(3))
    behind = plain()[:-12] + six + plain()[-12:]
    assert formats.read("png", behind).orientation == 1
    assert stripped(behind) == plain()
    assert formats.read("png", plain(six[:-1] + b"\0", three)).orientation == 3
    assert formats.read("png", plain(png_chunk(b"eXIf", b"broken"), six)).orientation == 1


@pytest.mark.parametrize("at", [8, 20, 29, 33, 45])
def test_a_wrong_byte_is_found(at):
    data = bytearray(plain())
    header = formats.read("png", bytes(data))
    data[at] ^= 0x20
    with pytest.raises(NotAnImage):
        formats.strip(bytes(data), header)


@pytest.mark.parametrize(
    ("chunks", "frames"),
    [
        ([b"acTL", b"fcTL", b"IDAT", b"fcTL", b"fdAT"], 2), ([b"acTL", b"IDAT"], 1), ([b"fcTL", b"fcTL", b"IDAT"], 1),
        ([b"IDAT", b"acTL", b"fcTL", b"fcTL"], 1), ([b"acTL", b"fcTL", b"fcTL"], 1),
    ],
)  # fmt: skip
def test_an_animation_says_that_it_is_one_before_its_pixels(chunks, frames):
    data = png_of(png_header(4, 3), *[png_chunk(kind, bytes(4)) for kind in chunks])
    assert formats.read("png", data).frames == frames


@pytest.mark.parametrize(("interlace", "progressive"), [(0, False), (1, True), (2, False)])
def test_adam7_is_progressive(interlace, progressive):
    assert formats.read("png", plain(header=png_header(4, 3, interlace=interlace))).progressive is progressive


@pytest.mark.parametrize(("more", "stays"), [(0, True), (1, False)])
def test_a_profile_has_at_most_a_megabyte(more, stays):
    """Counted as it comes, with its name; and no more than that is inflated."""
    stored = b"\x78\x01" + _stored(bytes(2**20 - 5 - 2 - 4 - 17 * 5 - 100 + more))
    body = b"ICC\0\0" + stored
    fits = png_chunk(b"iCCP", body)
    assert stripped(plain(fits)) == plain(fits)
    bomb = png_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(bytes(2**20 + more)))
    assert stripped(plain(bomb)) == (plain(bomb) if stays else plain())


def _stored(data: bytes) -> bytes:
    blocks = [data[at : at + 65_535] for at in range(0, len(data), 65_535)]
    told = [struct.pack("<BHH", block is blocks[-1], len(block), 65_535 - len(block)) + block for block in blocks]
    return b"".join(told) + struct.pack(">I", zlib.adler32(data))


@pytest.mark.parametrize("body", [b"", b"name", b"name\0\0", b"name\0\0broken", b"name\0\0" + zlib.compress(b"x")[:-1]])
def test_a_broken_profile_goes(body):
    assert stripped(plain(png_chunk(b"iCCP", body))) == plain()
