"""What a header says before any pixel is decoded, and which files are refused by it."""

import gzip
import resource
import struct
import time

import pytest
from PIL import Image

from imges.errors import FormatRefused, NotAnImage
from imges.imaging import header
from tests.drawn import encoded, gradient
from tests.imaging import samples
from tests.imaging.samples import ALL, TURNING, WEB

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'


@pytest.fixture
def inspect(tmp_path):
    def inspected(data: bytes, allowed: frozenset[str] = ALL):
        file = tmp_path / "picture.png"  # the name never counts
        file.write_bytes(data)
        return header.inspect(file, allowed)

    return inspected


def png(mode: str, **options) -> bytes:
    return encoded(gradient(64, 48).convert(mode), "PNG", **options)


def jpeg(mode: str = "RGB", **options) -> bytes:
    return encoded(gradient(64, 48).convert(mode), "JPEG", **options)


@pytest.mark.parametrize("format", sorted(samples.PILLOW))
def test_format_and_size_come_from_the_bytes(inspect, format):
    found = inspect(samples.picture(format))
    assert (found.format, found.width, found.height, found.frames, found.orientation) == (format, 64, 48, 1, 1)
    assert found.file_size == len(samples.picture(format))


@pytest.mark.parametrize(
    ("data", "bits", "channels"),
    [
        pytest.param(jpeg(), 8, 3, id="JPEG"),
        pytest.param(jpeg("L"), 8, 1, id="grey JPEG"),
        pytest.param(jpeg("CMYK"), 8, 4, id="CMYK JPEG"),
        pytest.param(png("1"), 1, None, id="black and white PNG"),
        pytest.param(png("L"), 8, None, id="grey PNG"),
        pytest.param(samples.rgb16_png(8, 8), 16, None, id="PNG of 16 bits"),
        pytest.param(samples.picture("gif"), 8, 3, id="GIF"),
        pytest.param(samples.picture("webp"), 8, None, id="WebP"),
        pytest.param(samples.picture("webp", lossless=True), 8, None, id="lossless WebP"),
        pytest.param(samples.picture("avif"), 8, None, id="AVIF"),
    ],
)
def test_bits_and_channels(inspect, data, bits, channels):
    found = inspect(data)
    assert (found.bits, found.channels) == (bits, channels)


@pytest.mark.parametrize(
    ("data", "progressive"),
    [
        pytest.param(jpeg(), False, id="baseline"),
        pytest.param(jpeg(progressive=True), True, id="progressive"),
        pytest.param(png("RGB"), False, id="PNG"),
        pytest.param(samples.png_of(samples.png_header(9, 9, interlace=1)), True, id="interlaced PNG"),
    ],
)
def test_pictures_that_decoders_hold_as_a_whole_are_marked_progressive(inspect, data, progressive):
    assert inspect(data).progressive is progressive


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", TURNING)
def test_orientation_and_the_displayed_size(inspect, format, orientation):
    found = inspect(samples.full_of_metadata(format, orientation))
    assert found.orientation == orientation
    assert found.displayed == ((48, 64) if orientation >= 5 else (64, 48))


@pytest.mark.parametrize("made_up", [0, 9, 99, 65535])
def test_a_made_up_orientation_counts_as_none(inspect, made_up):
    exif = Image.Exif()
    exif[0x0112] = made_up
    assert inspect(jpeg(exif=exif)).orientation == 1


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"MM\0*\xff\xff\xff\xff", id="directory far outside"),
        pytest.param(b"MM\0*\0\0\0\x08\xff\xff" + bytes(12), id="65535 entries"),
        pytest.param(b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\xff\xff\xff\xff\xff\xff\xff\xff", id="2^32 values"),
        pytest.param(b"MM\0*\0\0\0\x08\0\0\0\0\0\x08", id="a loop"),
    ],
)
def test_a_broken_block_of_exif_is_no_harm(inspect, block):
    data = jpeg()
    broken = data[:2] + samples.segment(0xE1, b"Exif\0\0" + block) + data[2:]
    assert inspect(broken).orientation == 1


@pytest.mark.parametrize("format", ["gif", "webp", "png", "avif"])
def test_frames_are_counted(inspect, format):
    pictures = [samples.corners().rotate(90 * turn) for turn in range(5)]
    data = encoded(pictures[0], samples.PILLOW[format], save_all=True, append_images=pictures[1:], duration=50)
    assert inspect(data).frames == 5


def test_an_animation_that_lies_about_its_frames_is_counted(inspect):
    pictures = [samples.corners().rotate(90 * turn) for turn in range(3)]
    data = encoded(pictures[0], "PNG", save_all=True, append_images=pictures[1:])
    at = data.index(b"acTL")
    lie = samples.png_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    assert inspect(data[: at - 4] + lie + data[at + 16 :]).frames == 3


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="one byte"),
        pytest.param(bytes(range(256)) * 9, id="garbage"),
        pytest.param(b"a,b\n1,2\n", id="CSV"),
        pytest.param(b"#EXTM3U\nhttp://127.0.0.1/\n", id="m3u8"),
        pytest.param(b"<!doctype html><html><svg></svg></html>", id="HTML"),
        pytest.param(gzip.compress(b"text"), id="gzip"),
        pytest.param(b"\xff\xd8\xff", id="JPEG's magic alone"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="PNG's magic alone"),
        pytest.param(b"GIF89a", id="GIF's magic alone"),
        pytest.param(b"RIFF\0\0\0\0WEBPVP8 ", id="WebP's magic alone"),
        pytest.param(b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", id="AVIF's magic alone"),
        pytest.param(b"II*\0", id="TIFF's magic alone"),
        pytest.param(samples.png_of(samples.png_header(0, 9)), id="PNG without pixels"),
        pytest.param(samples.png_of(samples.png_header(9, 9, bits=255)), id="PNG of 255 bits a sample"),
        pytest.param(samples.png_of(samples.png_header(9, 9, colour=1)), id="PNG of no known colour type"),
        pytest.param(b"GIF89a\0\0\0\0\0\0\0\x3b", id="GIF without pixels"),
        pytest.param(b"GIF89a\x09\0\x09\0\0\0\0\x3b", id="GIF without frames"),
    ],
)
def test_what_is_no_image_is_refused_as_such(inspect, data):
    with pytest.raises(NotAnImage):
        inspect(data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        pytest.param(SVG, "SVG images", id="SVG"),
        pytest.param(
            b'\xef\xbb\xbf  <?xml version="1.0"?>\n<!-- hello -->' + SVG, "SVG images", id="SVG behind a prolog"
        ),
        pytest.param(SVG.decode().encode("utf-16"), "SVG images", id="SVG in UTF-16"),
        pytest.param(
            b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + SVG, "SVG images", id="SVG with an entity"
        ),
        pytest.param(gzip.compress(SVG), "SVG images", id="SVGZ"),
        pytest.param(b"%PDF-1.7\n", "PDF files", id="PDF"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript files", id="EPS"),
        pytest.param(b"push graphic-context\n", "MVG images", id="MVG"),
        pytest.param(b"\xff\x0a\x00\x10", "JPEG XL images", id="JPEG XL"),
        pytest.param(b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 images", id="JPEG 2000"),
        pytest.param(b"8BPS\0\1", "Photoshop files", id="PSD"),
        pytest.param(b"\0\0\1\0\1\0\x10\x10", "icons", id="ICO"),
        pytest.param(b"P6 2 2 255\n" + bytes(12), "PNM images", id="PPM"),
        pytest.param(b"#?RADIANCE\n", "RADIANCE images", id="HDR"),
        pytest.param(b"SIMPLE  =                    T", "FITS images", id="FITS"),
        pytest.param(b"II+\0\x08\0\0\0", "BIGTIFF images", id="BigTIFF"),
        pytest.param(b"\x08\xf2\xa6\xb6" + bytes(60), "VIPS images", id="vips"),
        pytest.param(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", None, id="MP4"),
        pytest.param(b"\x1a\x45\xdf\xa3\x01", "videos", id="Matroska"),
        pytest.param(b"FUJIFILMCCD-RAW 0201", "camera raw files", id="RAF"),
        pytest.param(b"IIU\0\x18\0\0\0", "camera raw files", id="RW2"),
        pytest.param(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw files", id="CR3"),
        pytest.param(b"II\xbc\x01\x08\0\0\0", "JPEG XR images", id="JPEG XR"),
    ],
)
def test_another_format_is_refused_by_name(inspect, data, name):
    with pytest.raises(FormatRefused) as refused:
        inspect(data)
    assert refused.value.message == (f"this site does not take {name}" if name else "this format is not taken")


@pytest.mark.parametrize("format", ["tiff", "bmp"])
def test_a_format_that_is_off_is_refused_by_name(inspect, format):
    with pytest.raises(FormatRefused, match=format.upper()):
        inspect(samples.picture(format), WEB)


@pytest.mark.parametrize(
    ("build", "size"),
    [
        pytest.param(samples.png_bomb, (30000, 30000), id="PNG"),
        pytest.param(samples.jpeg_bomb, (65500, 65500), id="progressive JPEG"),
        pytest.param(samples.gif_bomb, (65535, 65535), id="GIF"),
        pytest.param(lambda: samples.gif_bomb(40_000), (65535, 65535), id="GIF of 40,000 frames"),
        pytest.param(samples.bmp_bomb, (100_000, 100_000), id="BMP"),
        pytest.param(samples.tiff_bomb, (2**32 - 1, 2**32 - 1), id="TIFF"),
        pytest.param(lambda: samples.png_of(samples.png_header(2**31, 2**31)), (2**31, 2**31), id="PNG, 2^31"),
    ],
)
def test_a_bomb_tells_its_size_at_once_and_takes_no_memory(inspect, build, size):
    data = build()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found = inspect(data)
    assert (found.width, found.height) == size
    assert time.process_time() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 2**10


def test_a_frame_larger_than_its_canvas_counts_for_the_limits(inspect):
    bomb = bytearray(samples.gif_bomb())
    bomb[6:10] = struct.pack("<HH", 9, 9)
    assert inspect(bytes(bomb)).displayed == (65535, 65535)
