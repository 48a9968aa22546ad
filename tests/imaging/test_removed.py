"""The answer's `removed` names each kind of thing that a filter takes out."""

import struct

import pytest
from PIL import Image, PngImagePlugin

from imges.imaging.formats import removed
from tests.drawn import encoded
from tests.imaging import families
from tests.imaging.conftest import Rendered
from tests.imaging.pictures import quarters, riff_chunk, with_chunks, with_segments
from tests.imaging.samples import XMP, picture, png_chunk, riff, segment


def exif(*tags: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = 6
    for tag in tags:
        if tag == 0x8825:
            block.get_ifd(tag)[1] = "N"
        else:
            block[tag] = "x"
    return block


CAMERA, SOFTWARE, AUTHOR, POSITION = 0x010F, 0x0131, 0x013B, 0x8825


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_exif_is_named_by_what_is_in_it(rendered: Rendered, format: str):
    for tags, found in (
        ([POSITION, CAMERA], ("position", "camera")),
        ([SOFTWARE, AUTHOR], ("software", "author")),
        ([], ()),
    ):
        assert rendered(encoded(quarters(), format, exif=exif(*tags))).removed == found


PHOTO, PLAIN = picture("jpg"), picture("png")
WITH_XMP = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(PHOTO, (), id="nothing"),
        pytest.param(with_segments(PHOTO, [segment(0xFE, b"Hello")]), ("comments",), id="a comment"),
        pytest.param(with_segments(PHOTO, [segment(0xE0, b"JFXX\0\x10")]), ("thumbnail",), id="a thumbnail"),
        pytest.param(with_segments(PHOTO, [WITH_XMP]), ("author",), id="XMP"),
        pytest.param(with_segments(PHOTO, [segment(0xE2, b"MPF\0")]), ("other",), id="MPF"),
        pytest.param(with_segments(PHOTO, [segment(0xED, b"8BIM\x1c\x02\x50\0\1x")]), ("author",), id="IPTC"),
        pytest.param(PHOTO + PHOTO, ("other",), id="a second picture behind it"),
        pytest.param(PLAIN, (), id="PNG"),
        pytest.param(with_chunks(PLAIN, [png_chunk(b"tEXt", b"Software\0x")]), ("software",), id="tEXt"),
        pytest.param(with_chunks(PLAIN, [png_chunk(b"tEXt", b"Anything\0x")]), ("text",), id="another tEXt"),
        pytest.param(with_chunks(PLAIN, [png_chunk(b"prVt", b"x")]), ("other",), id="an unknown chunk"),
        pytest.param(PLAIN + b"PK", ("other",), id="behind IEND"),
        pytest.param(encoded(quarters().quantize(8), "GIF", comment=b"x"), ("comments",), id="GIF"),
        pytest.param(picture("gif") + b"PK", ("other",), id="behind a GIF"),
        pytest.param(riff(picture("webp")[12:]) + b"PK\3\4", ("other",), id="behind a WebP"),
        pytest.param(picture("avif") + b"PK\3\4PK\3\4", ("other",), id="behind an AVIF"),
    ],
)  # fmt: skip
def test_what_else_is_taken_out(rendered: Rendered, data: bytes, found: tuple[str, ...]):
    assert rendered(data).removed == found


def test_xmp_of_a_png_and_of_a_webp(rendered: Rendered):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    assert rendered(encoded(quarters(), "PNG", pnginfo=info)).removed == ("author",)
    assert rendered(encoded(quarters(), "WEBP", xmp=XMP)).removed == ("author",)
    assert riff_chunk(b"XMP ", XMP) in encoded(quarters(), "WEBP", xmp=XMP)


def test_a_tiff_is_exif_itself(rendered: Rendered):
    assert rendered(encoded(quarters(), "TIFF", exif=exif(CAMERA, AUTHOR))).removed == ("camera", "author")


def test_a_gain_map_is_taken_out(rendered: Rendered):
    ultra = next(family for family in families.families() if family.name == "Ultra HDR")
    assert rendered(ultra.data).removed == ("other",)


def test_nothing_is_taken_out_where_metadata_is_kept(rendered: Rendered):
    assert rendered(encoded(quarters(), "JPEG", exif=exif(CAMERA)), keep_metadata=True).removed == ()


@pytest.mark.parametrize("tiff", [b"MM\0*", struct.pack(">4sI", b"MM\0*", 2**32 - 1), b"MM\0*\0\0\0\x08\xff\xff"])
def test_broken_exif_is_something_else(tiff: bytes):
    assert removed.in_exif(tiff) == {"other"}
