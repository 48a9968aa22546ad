"""Pictures as people have them, a family for each way in which files are odd, with how a browser shows them."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image, ImageDraw

from imges.imaging import colour
from tests.drawn import encoded, gradient, noise
from tests.imaging.pictures import deep_png, interlaced_png, oriented, with_chunks, with_segments, ycck_jpeg
from tests.imaging.samples import full_of_metadata, png_chunk, png_header, png_of, segment

EXIF = b"Exif\0\0"


@dataclass(frozen=True)
class Family:
    """A file, and what is to come of it."""

    name: str
    data: bytes
    extension: str
    seen: bytes | None = None
    """A picture that a browser shows the same, if it does not show the file's format; `None`: the file itself."""
    refused: str | None = None
    """A part of the message if it is not taken."""
    medium: bool | None = None
    """Whether there must be a medium, or must be none; `None`: it may be left out."""
    tolerance: float = 4
    """How far colours of medium and thumb may be off, of 255."""


@cache
def scene(width: int = 640, height: int = 400) -> Image.Image:
    """Smooth ground, sharp figures and saturated colours."""
    image = gradient(width, height)
    draw = ImageDraw.Draw(image)
    unit = width // 16
    draw.rectangle((unit, unit, 5 * unit, 4 * unit), fill=(230, 20, 20))
    draw.ellipse((7 * unit, 2 * unit, 12 * unit, 7 * unit), fill=(20, 200, 40))
    draw.rectangle((12 * unit, 6 * unit, 15 * unit, 9 * unit), fill=(30, 30, 230))
    return image


def families() -> Iterator[Family]:
    """All of them."""
    yield from _jpegs()
    yield from _pngs()
    yield from _gifs()
    yield from _webps()
    yield from _heifs()
    yield from _tiffs()
    yield from _usual()


def _directory(*entries: bytes, claimed: int | None = None) -> bytes:
    """EXIF's TIFF with these entries of its first directory."""
    count = len(entries) if claimed is None else claimed
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", count) + b"".join(entries) + bytes(4)


def _entry(tag: int, kind: int, value: bytes) -> bytes:
    return struct.pack(">HHI", tag, kind, 1) + value.ljust(4, b"\0")


TURN = _entry(0x0112, 3, b"\0\6")


def _jpegs() -> Iterator[Family]:
    photo = encoded(scene(), "JPEG", quality=90)
    other = _entry(0x0128, 3, b"\0\2")
    for name, blocks in {
        "another tag stands twice": [_directory(other, other, TURN)],
        "the directory is cut": [_directory(other, TURN, claimed=40)],
        "two segments, the first says 6": [_directory(TURN), _directory(_entry(0x0112, 3, b"\0\1"))],
        "the first of two is broken": [b"II*\0broken", _directory(TURN)],
        "orientation as LONG": [_directory(_entry(0x0112, 4, b"\0\0\0\6"))],
        "orientation 9": [_directory(_entry(0x0112, 3, b"\0\x09"))],
    }.items():
        yield Family(f"EXIF, {name}", with_segments(photo, [segment(0xE1, EXIF + one) for one in blocks]), "jpg")
    for turn in range(1, 9):
        yield Family(f"orientation {turn}", oriented("JPEG", turn, quality=90), "jpg")
    yield Family("no EOI", photo[:-2], "jpg", seen=photo)  # browsers leave the last rows out
    yield Family("zeros instead of EOI", photo[:-2] + bytes(500), "jpg")
    yield Family("cut in the scan", photo[: len(photo) * 2 // 3], "jpg", refused="cut within the picture")
    fine = encoded(scene(), "JPEG", quality=90, progressive=True)
    yield Family("progressive", fine, "jpg")
    yield Family("progressive, no EOI", fine[:-2], "jpg")
    yield Family("cut between scans", fine[: fine.rindex(b"\xff\xc4")], "jpg", refused="cut within the picture")
    gain = encoded(scene(160, 100).convert("L"), "JPEG")
    xmp = segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta hdrgm:Version="1.0"/>')
    yield Family("Ultra HDR", with_segments(photo, [xmp]) + gain, "jpg")
    yield Family("CMYK", encoded(scene().convert("CMYK"), "JPEG"), "jpg")
    yield Family("YCCK", ycck_jpeg(scene()), "jpg")
    yield Family("grey", encoded(scene().convert("L"), "JPEG"), "jpg")
    for name, profile in PROFILES.items():
        yield Family(f"JPEG in {name}", encoded(scene(), "JPEG", quality=90, icc_profile=profile), "jpg")
    chunks = [segment(0xE2, b"ICC_PROFILE\0\1\1" + PROFILES["P3"])] * 2
    yield Family("a profile that stands twice", with_segments(photo, chunks), "jpg")
    yield Family("metadata", full_of_metadata("jpg", 6), "jpg")


def _profile(primaries: int, transfer: float) -> bytes:
    return colour.profile(colour.Colour(colour.PRIMARIES[primaries], transfer))


PROFILES = {"P3": _profile(12, 0), "BT.2020 of gamma 2.2": _profile(9, 2.2)}
"""Wide gamuts."""


def _pngs() -> Iterator[Family]:
    plain = encoded(scene(), "PNG")
    turn = png_chunk(b"eXIf", _directory(TURN))
    yield Family("eXIf before the pixels", with_chunks(plain, [turn]), "png")
    yield Family("eXIf behind the pixels", plain[:-12] + turn + plain[-12:], "png")
    text = png_chunk(b"tEXt", b"Comment\0x")
    yield Family("a wrong checksum of a text", with_chunks(plain, [text[:-1] + bytes([text[-1] ^ 1])]), "png")
    yield Family("no IEND", plain[:-12], "png")
    yield Family("PNG cut in the pixels", plain[: len(plain) * 2 // 3], "png", refused="incomplete")
    for name, chunk in {
        "gAMA 1.0": (b"gAMA", struct.pack(">I", 100_000)),
        "gAMA 1/1.8": (b"gAMA", struct.pack(">I", 55_556)),
        "cICP P3": (b"cICP", b"\x0c\x0d\0\1"),
        "cICP of video": (b"cICP", b"\1\1\0\1"),
    }.items():
        yield Family(name, with_chunks(plain, [png_chunk(*chunk)]), "png")
    dull = encoded(Image.blend(scene(), Image.new("RGB", (640, 400), (90, 90, 90)), 0.7), "PNG")
    for name, code in {"PQ": b"\x09\x10\0\1", "HLG": b"\x09\x12\0\1"}.items():
        yield Family(name, with_chunks(dull, [png_chunk(b"cICP", code)]), "png", tolerance=40)
    for name, profile in PROFILES.items():
        yield Family(f"PNG in {name}", encoded(scene(), "PNG", icc_profile=profile), "png")
    for width, height in ((640, 400), (64, 40)):
        for bits, kind in ((16, 0), (16, 2), (8, 0), (4, 0), (1, 0)):
            yield Family(
                f"tRNS of {bits} bits of {kind}, {width}", _with_hole(width, height, bits, kind), "png", tolerance=6
            )
    soft = scene().copy()
    soft.putalpha(Image.linear_gradient("L").resize((640, 400)))
    yield Family("a soft palette", encoded(soft.quantize(200, Image.Quantize.FASTOCTREE), "PNG"), "png", tolerance=6)
    yield Family("RGBA", encoded(soft, "PNG"), "png")
    yield Family("grey and alpha", encoded(soft.convert("LA"), "PNG"), "png")
    yield Family("16 bits", deep_png(soft), "png")
    yield Family("interlaced", interlaced_png(scene()), "png")
    yield Family("256 colours", encoded(scene().quantize(256), "PNG"), "png")
    yield Family("1 bit dithered", encoded(scene(1200, 800).convert("1"), "PNG"), "png")
    yield Family("1 bit, a scan", encoded(_scan(), "PNG"), "png")
    yield Family("2 bits", encoded(scene().quantize(4, dither=Image.Dither.NONE), "PNG", bits=2), "png")
    yield Family("noise", encoded(noise(520, 300), "PNG"), "png", tolerance=6)
    yield Family("APNG", apng(), "png", medium=False)


def _scan() -> Image.Image:
    """A page of text in black and white."""
    page = Image.new("1", (1240, 1754), 1)
    draw = ImageDraw.Draw(page)
    for line in range(60):
        draw.text((80, 60 + 27 * line), "The quick brown fox jumps over the lazy dog. " * 4, fill=0)
    return page


def _with_hole(width: int, height: int, bits: int, kind: int) -> bytes:
    """A PNG whose one transparent value is in its left half."""
    value, count = (700 if bits == 16 else 1), (3 if kind else 1)
    most = 2**bits - 1
    rows: list[bytes] = []
    for y in range(height):
        other = most * y // height if bits > 1 else 0
        samples = [value if x < width // 2 else (other if other != value else 0) for x in range(width)]
        number = 0
        for sample in samples:
            for _ in range(count):
                number = number << bits | sample
        length = (width * count * bits + 7) // 8
        rows.append(b"\0" + (number << (8 * length - width * count * bits)).to_bytes(length))
    hole = png_chunk(b"tRNS", struct.pack(">H", value) * count)
    return png_of(png_header(width, height, bits, kind), hole, png_chunk(b"IDAT", zlib.compress(b"".join(rows))))


def apng(frames: int = 4) -> bytes:
    pictures = [scene().rotate(90 * n) for n in range(frames)]
    return encoded(pictures[0], "PNG", save_all=True, append_images=pictures[1:], duration=80, loop=0)


def moving(count: int = 4, size: tuple[int, int] = (640, 400), colours: int = 64) -> list[Image.Image]:
    """A square that moves over the scene."""
    pictures: list[Image.Image] = []
    for number in range(count):
        picture = scene(*size).copy()
        ImageDraw.Draw(picture).rectangle((40 + 30 * number, 220, 100 + 30 * number, 300), fill=(250, 250, 10))
        pictures.append(picture.quantize(colours))
    return pictures


def gif(pictures: list[Image.Image], **options: Any) -> bytes:
    options = {"duration": 80, "loop": 0} | options
    return encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:], **options)


def gif_of(
    size: tuple[int, int], frames: list[tuple[tuple[int, int], Image.Image, int, int]], loop: bytes = b""
) -> bytes:
    """A GIF by hand: of each frame its place, picture of a few colours, delay in hundredths, and disposal."""
    parts = [b"GIF89a" + struct.pack("<HHBBB", *size, 0, 0, 0), loop]
    for (left, top), picture, delay, disposal in frames:
        alone = encoded(picture, "GIF")
        table = 3 << ((alone[10] & 7) + 1)
        pixels = alone[alone.index(b"\x2c" + bytes(4)) + 10 : -1]
        control = b"\x21\xf9\4" + struct.pack("<BHB", disposal << 2, delay, 0) + b"\0"
        place = b"\x2c" + struct.pack("<HHHHB", left, top, *picture.size, 0x80 | (alone[10] & 7))
        parts += [control, place, alone[13 : 13 + table], pixels]
    return b"".join([*parts, b"\x3b"])


FOREVER = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
TWICE = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\2\0\0"


def _gifs() -> Iterator[Family]:
    still = encoded(scene().quantize(64), "GIF")
    yield Family("GIF without a trailer", still[:-1], "gif")
    yield Family("GIF", still, "gif")
    cut = gif(moving())
    yield Family("GIF cut in a frame", cut[:-600], "gif", refused="cut within a frame")
    whole, part = scene().quantize(32), scene(320, 200).quantize(32)
    flat = Image.new("P", (640, 400))
    flat.putpalette([200, 30, 30, 0, 0, 0])
    for name, frames, loop in (
        ("a frame over the edge", [((0, 0), whole, 9, 0), ((480, 300), part, 9, 0)], FOREVER),
        ("the first frame is smaller", [((100, 50), part, 9, 0), ((200, 150), part, 9, 0)], FOREVER),
        ("dispose to background", [((0, 0), whole, 9, 2), ((60, 40), part, 9, 2), ((9, 9), part, 9, 1)], FOREVER),
        ("dispose to what was before", [((0, 0), whole, 9, 1), ((60, 40), part, 9, 3), ((9, 9), part, 9, 1)], FOREVER),
        ("two NETSCAPE blocks", [((0, 0), whole, 9, 0), ((0, 0), flat, 9, 0)], FOREVER + TWICE),
        ("it runs once", [((0, 0), whole, 9, 0), ((0, 0), flat, 9, 0)], b""),
        ("equal long frames", [((0, 0), whole, 60_000, 0)] * 3 + [((0, 0), flat, 60_000, 0)], FOREVER),
        ("all frames are equal", [((0, 0), whole, 50, 0)] * 3, FOREVER),
        ("equal frames that go", [((60, 40), part, 30, 2)] * 3 + [((0, 0), part, 30, 2)], FOREVER),
        ("delays of 0, 1 and 2", [((0, 0), whole, 0, 0), ((0, 0), flat, 1, 0), ((0, 0), whole, 2, 0)], FOREVER),
    ):
        yield Family(f"GIF, {name}", gif_of((640, 400), frames, loop), "gif", tolerance=6)
    grown = gif_of((0, 0), [((0, 0), whole, 9, 0), ((60, 40), part, 9, 0)], FOREVER)
    yield Family("GIF, a canvas of 0 by 0", grown, "gif", tolerance=6)
    yield Family("GIF, long", gif(moving(60)), "gif", tolerance=6)
    two = [Image.new("1", (800, 600), n % 2) for n in range(12)]
    for n, picture in enumerate(two):
        ImageDraw.Draw(picture).line((0, 50 * n, 800, 600 - 50 * n), fill=1 - n % 2, width=9)
    yield Family("GIF of two colours", gif(two), "gif", tolerance=6)
    yield Family("GIF, metadata", full_of_metadata("gif"), "gif")


def _webps() -> Iterator[Family]:
    exif = EXIF + _directory(TURN)
    yield Family("WebP with orientation 6", encoded(scene(), "WEBP", exif=exif), "webp")
    for name, profile in PROFILES.items():
        yield Family(f"WebP in {name}", encoded(scene(), "WEBP", icc_profile=profile), "webp", tolerance=6)
    soft = scene().copy()
    soft.putalpha(Image.linear_gradient("L").resize((640, 400)))
    yield Family("WebP with alpha", encoded(soft, "WEBP"), "webp")
    yield Family("lossless WebP", encoded(soft, "WEBP", lossless=True), "webp")
    frames = [picture.convert("RGB") for picture in moving()]
    more: dict[str, Any] = {"save_all": True, "append_images": [*frames[1:], frames[-1]], "loop": 3}
    delays = [40, 60, 80, 100, 900]
    yield Family("animated WebP", encoded(frames[0], "WEBP", duration=delays, **more), "webp", tolerance=6)
    flat = [Image.new("RGB", (640, 400), (20 * n, 40, 200 - 20 * n)) for n in range(8)]
    for n, picture in enumerate(flat):
        ImageDraw.Draw(picture).rectangle((30 * n, 30 * n, 30 * n + 60, 30 * n + 60), fill=(250, 250, 250))
    lossless = encoded(flat[0], "WEBP", save_all=True, append_images=flat[1:], lossless=True, duration=70, loop=0)
    yield Family("animated WebP, lossless", lossless, "webp", tolerance=6)
    yield Family("WebP, metadata", full_of_metadata("webp"), "webp")


def _nclx(data: bytes, primaries: int, transfer: int) -> bytes:
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def _heifs() -> Iterator[Family]:
    yield Family("AVIF", encoded(scene(), "AVIF", quality=80), "avif")
    yield Family("AVIF, nclx P3", _nclx(encoded(scene(), "AVIF", quality=80), 12, 13), "avif")
    dull = Image.blend(scene(), Image.new("RGB", (640, 400), (90, 90, 90)), 0.7)
    yield Family("AVIF, PQ", _nclx(encoded(dull, "AVIF", quality=80), 9, 16), "avif", tolerance=40)
    yield Family("AVIF, P3", encoded(scene(), "AVIF", quality=80, icc_profile=PROFILES["P3"]), "avif")
    for turn in (3, 6, 7):
        yield Family(f"AVIF, orientation {turn}", oriented("AVIF", turn, quality=80), "avif")
    frames = [picture.convert("RGB") for picture in moving()]
    moved = encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:], duration=80)
    yield Family("AVIF, a sequence", moved, "avif", medium=False)
    wide = encoded(scene(), "PNG", icc_profile=PROFILES["P3"])
    yield Family("HEIC", encoded(scene(), "HEIF", quality=90), "heic", encoded(scene(), "PNG"))
    yield Family("HEIC, nclx P3", _nclx(encoded(scene(), "HEIF", quality=90), 12, 13), "heic", wide)
    yield Family("HEIC, P3", encoded(scene(), "HEIF", quality=90, icc_profile=PROFILES["P3"]), "heic", wide)


def _tiffs() -> Iterator[Family]:
    plain = encoded(scene(), "PNG")
    yield Family("TIFF", encoded(scene(), "TIFF"), "tiff", plain)
    yield Family("TIFF of floats", encoded(scene().convert("F"), "TIFF"), "tiff", refused="floating-point")
    pages = encoded(scene(), "TIFF", save_all=True, append_images=[scene()] * 2)
    yield Family("TIFF of three pages", pages, "tiff", refused="3 pages")
    yield Family("BMP", encoded(scene(), "BMP"), "bmp")


def _usual() -> Iterator[Family]:
    """Sizes and kinds that nobody finds odd."""
    for kind, name in (("jpg", "JPEG"), ("png", "PNG"), ("gif", "GIF"), ("webp", "WEBP"), ("avif", "AVIF")):
        yield Family(f"{name} of one pixel", encoded(Image.new("RGB", (1, 1), (200, 30, 30)), name), kind)
        yield Family(f"{name}, narrow", encoded(Image.new("RGB", (3, 900), (200, 30, 30)), name), kind)
