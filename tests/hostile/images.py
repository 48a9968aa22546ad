"""I2, I4 to I10: pictures that are too large, broken, two things at once, or no pictures."""

import base64
import gzip
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO

from PIL import Image

from imges.imaging.render import load_heic
from tests import drawn
from tests.hostile.cases import TAKEN, TAKEN_OR_REFUSED, Case
from tests.hostile.wire import Said, picture
from tests.imaging.pictures import (
    chunk,
    deep_png,
    interlaced_png,
    riff_chunk,
    segment,
    with_chunks,
    with_segments,
    ycck_jpeg,
)

PATIENTLY = 4.0
"""Seconds within which the header of a bomb must be refused: one, plus the delay of a loaded machine."""
NOT_AN_IMAGE = frozenset({415})
TOO_MUCH = frozenset({400, 413, 415})
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
NOISE = drawn.noise(60, 40)
ORIGINALS = {
    "jpg": drawn.encoded(NOISE, "JPEG", quality=80),
    "progressive": drawn.encoded(NOISE, "JPEG", quality=80, progressive=True),
    "png": drawn.encoded(NOISE, "PNG"),
    "interlaced": interlaced_png(NOISE),
    "gif": drawn.gif(60, 40),
    "moving": drawn.gif(60, 40, 4),
    "webp": drawn.encoded(NOISE, "WEBP", quality=80),
    "lossless": drawn.encoded(NOISE, "WEBP", lossless=True),
    "avif": drawn.avif(60, 40),
}
SCRIPT = b"<html><script>alert(document.domain)</script></html>"


def cases(key: bytes, *, each: int = 12, all_formats: bool = False) -> list[Case]:
    """*each*: places at which each format is cut. *all_formats*: the server accepts TIFF, BMP and HEIC as well."""
    tables: list[tuple[Iterator[tuple[str, bytes]], frozenset[int], float]] = [
        (_cut(each), NOT_AN_IMAGE, PATIENTLY),
        (_wide(), TOO_MUCH, PATIENTLY),
        (_long(), TAKEN_OR_REFUSED | {503}, 12),  # 503 while other pictures wait as long
        (_metadata(), TAKEN_OR_REFUSED, 10),
        (_sound(), TAKEN, 10),
        (_none(), NOT_AN_IMAGE, PATIENTLY),
        (_other(), TAKEN if all_formats else NOT_AN_IMAGE, PATIENTLY),
        (_odd(), TAKEN_OR_REFUSED, 10),
    ]
    return [
        Case(name, picture(key, content), expect, longest=longest)
        for table, expect, longest in tables
        for name, content in table
    ] + [Case(name, picture(key, content), TAKEN, is_of_the_bytes(kind)) for name, kind, content in polyglots()]


def is_of_the_bytes(kind: str) -> Callable[[Said], None]:
    def check(said: Said) -> None:
        image = said.answers[0].json["image"]
        assert image["extension"] == kind

    return check


ENDINGS = {"gif": 1, "moving": 1, "png": 12, "interlaced": 12, "jpg": 2, "progressive": 2}
"""Bytes at the end without which no pixel is lost: trailer, IEND, EOI."""


def _cut(each: int) -> Iterator[tuple[str, bytes]]:
    """I2: cut files."""
    for name, content in ORIGINALS.items():
        end = len(content) - ENDINGS.get(name, 0)
        for at in sorted({round(4 + (end - 5) * n / each) for n in range(each + 1)}):
            yield f"{name} cut at {at} of {len(content)}", content[:at]


def png(
    width: int, height: int, *, bits: int = 8, colour: int = 2, interlace: int = 0, data: bytes = b"\0" * 99
) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return PNG_MAGIC + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def jpeg(width: int, height: int, *, progressive: bool = False, components: int = 3) -> bytes:
    """A small JPEG whose header claims this size."""
    content = bytearray(drawn.encoded(drawn.gradient(16, 16), "JPEG", progressive=progressive))
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def gif(width: int, height: int, frames: int = 1, size: tuple[int, int] | None = None) -> bytes:
    """So many frames of one pixel, each of which claims *size*."""
    wide, high = size or (width, height)
    frame = b"\x21\xf9\4\0\1\0\0\0" + b"," + struct.pack("<HHHHB", 0, 0, wide, high, 0) + b"\2\2\x44\1\0"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


def webp(width: int, height: int) -> bytes:
    content = bytearray(drawn.encoded(drawn.gradient(16, 16), "WEBP", quality=50))
    at = content.index(b"\x9d\x01\x2a") + 3
    content[at : at + 4] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    return bytes(content)


def vp8x(width: int, height: int, *chunks: bytes, flags: int = 0) -> bytes:
    head = struct.pack("<I", flags) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = riff_chunk(b"VP8X", head) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def lossless(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    body = riff_chunk(b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(40))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def avif(width: int, height: int) -> bytes:
    """A small AVIF whose `ispe` claims this size."""
    content = bytearray(drawn.avif(16, 16))
    at = content.index(b"ispe") + 8
    content[at : at + 8] = struct.pack(">II", width, height)
    return bytes(content)


def tiff(width: int, height: int, order: str = "<") -> bytes:
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (278, 4, 1, height),
        (279, 4, 1, 8),
    ]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return (
        head
        + b"".join(
            struct.pack(order + "HHI", *e[:3]) + struct.pack(order + ("I" if e[1] == 4 else "H2x"), e[3])
            for e in entries
        )
        + bytes(20)
    )


def bmp(width: int, height: int, bits: int = 24) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 1000, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)
        + bytes(100)
    )


def _wide() -> Iterator[tuple[str, bytes]]:
    """I4: pictures that claim too many pixels."""
    sizes = [
        (30_000, 30_000),
        (2**31 - 1, 2**31 - 1),
        (2**31, 1),
        (1, 2**31),
        (2**32 - 1, 2**32 - 1),
        (65_536, 1),
        (1, 65_536),
        (16_000, 16_000),
    ]
    for width, height in sizes:
        for interlace in (0, 1):
            yield f"PNG {width}x{height} {interlace}", png(width, height, interlace=interlace)
        yield f"AVIF {width}x{height}", avif(width, height)
        yield f"TIFF {width}x{height}", tiff(width, height)
        yield f"big-endian TIFF {width}x{height}", tiff(width, height, ">")
    for bits, colour in ((16, 6), (16, 2), (1, 0), (8, 3), (16, 4)):
        yield f"PNG of {bits} bits and kind {colour}", png(16_384, 16_384, bits=bits, colour=colour)
    for width, height in ((65_500, 65_500), (65_535, 65_535), (65_535, 1), (16_000, 16_000), (16_384, 16_384)):
        yield f"JPEG {width}x{height}", jpeg(width, height)
        yield f"progressive JPEG {width}x{height}", jpeg(width, height, progressive=True)
        yield f"GIF {width}x{height}", gif(width, height)
        yield f"a GIF's frame {width}x{height}", gif(10, 10, size=(width, height))
    for width, height in ((16_383, 16_383), (16_383, 1), (12_000, 12_000)):
        if width * height > 40_000_000:
            yield f"WebP {width}x{height}", webp(width, height)
            yield f"lossless WebP {width}x{height}", lossless(width, height)
    for width, height in ((2**24, 2**24), (2**24, 1), (16_385, 16_385)):
        yield f"extended WebP {width}x{height}", vp8x(width, height, riff_chunk(b"VP8L", b"\x2f" + bytes(30)))
    for width, height in ((100_000, 100_000), (2**31 - 1, -(2**31)), (-1, -1), (40_000, 40_000)):
        yield f"BMP {width}x{height}", bmp(width, height)
    yield "PNG of no size", png(0, 0)
    yield "GIF of no size", gif(0, 0)
    yield "JPEG of no size", jpeg(0, 0)
    yield "a true 30,000 x 30,000 in 1 MB", png(30_000, 30_000, bits=1, colour=0, data=bytes(30_000 * 3751))


@cache
def apng(frames: int, claimed: int, size: int = 4) -> bytes:
    """An animation of *frames* frames that claims to have *claimed*."""
    raw = zlib.compress((b"\0" + bytes(size * 3)) * size)
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)),
        chunk(b"acTL", struct.pack(">II", claimed, 0)),
    ]
    number = 0
    for frame in range(frames):
        parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, size, size, 0, 0, 1, 100, 0, 0)))
        number += 1
        if frame:
            parts.append(chunk(b"fdAT", struct.pack(">I", number) + raw))
            number += 1
        else:
            parts.append(chunk(b"IDAT", raw))
    return PNG_MAGIC + b"".join(parts) + chunk(b"IEND", b"")


def _long() -> Iterator[tuple[str, bytes]]:
    """I5: animations with many frames, and ones that claim another number."""
    yield "GIF of 100,000 frames", gif(1, 1, 100_000)
    yield "GIF of 2,000 frames of 4,000 x 4,000", gif(4000, 4000, 2000)
    yield "GIF of 500 frames of 4,000 x 4,000", gif(4000, 4000, 500)
    yield "GIF of 499 frames of 600 x 600", gif(600, 600, 499)
    yield "GIF of 500 frames of a pixel", gif(1, 1, 500)
    yield "GIF of a small screen and large frames", gif(1, 1, 100, (6000, 6000))
    for frames, told in ((2000, 2000), (3, 2**31), (3, 2**32 - 1), (2000, 1), (3, 0), (501, 501)):
        yield f"APNG of {frames} frames that says {told}", apng(frames, told)
    moving = [Image.new("RGB", (16, 16), (n % 256, n // 256, 0)) for n in range(600)]
    file = BytesIO()
    moving[0].save(file, "WEBP", save_all=True, append_images=moving[1:], duration=10, lossless=True)
    yield "WebP of 600 frames", file.getvalue()
    inner = drawn.encoded(drawn.gradient(16, 16), "WEBP")[12:]
    frame = riff_chunk(b"ANMF", bytes(6) + struct.pack("<I", 15)[:3] * 2 + bytes(4) + inner)
    yield "WebP of 30,000 frames", vp8x(16, 16, riff_chunk(b"ANIM", bytes(6)), frame * 30_000, flags=2)
    yield "WebP of 400 frames of 4,000 x 4,000", vp8x(4000, 4000, riff_chunk(b"ANIM", bytes(6)), frame * 400, flags=2)
    still = drawn.gradient(800, 600).convert("P")
    flipped = still.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    large = drawn.encoded(still, "GIF", save_all=True, append_images=[flipped, still] * 30, duration=50)
    yield "GIF of 61 frames of half a megapixel", large


def _zeros(size: int) -> bytes:
    """Returns *size* zero bytes, deflated: 64 MB become 64 KB."""
    return zlib.compress(bytes(size), 9)


def _exif(*entries: bytes, next_ifd: int = 0, order: bytes = b"II*\0\x08\0\0\0") -> bytes:
    return b"Exif\0\0" + order + struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", next_ifd)


def _tag(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def _metadata() -> Iterator[tuple[str, bytes]]:
    """I6: bombs in metadata."""
    plain, photo = drawn.png(64, 48), ORIGINALS["jpg"]
    for name, kind, body in (
        ("iCCP", b"iCCP", b"x\0\0" + _zeros(64 * 2**20)), ("zTXt", b"zTXt", b"x\0\0" + _zeros(64 * 2**20)),
        ("iTXt", b"iTXt", b"x\0\1\0\0\0" + _zeros(64 * 2**20)), ("eXIf", b"eXIf", bytes(2**20)),
        ("tEXt", b"tEXt", b"x\0" + b"y" * 10**7),
    ):  # fmt: skip
        yield f"PNG with a bomb in {name}", with_chunks(plain, [chunk(kind, body)])
        yield f"PNG with two bombs in {name}", with_chunks(plain, [chunk(kind, body)] * 2)
    yield "PNG of 20,000 chunks", with_chunks(plain, [chunk(b"tEXt", b"x\0y")] * 20_000)
    yield "PNG of 200,000 empty chunks", with_chunks(plain, [chunk(b"prVt", b"")] * 200_000)
    yield "PNG of 20,000 pieces", _in_pieces(plain)
    yield "PNG with a wrong sum", with_chunks(plain, [b"\0\0\0\4tEXtx\0yz\0\0\0\0"])
    yield "PNG with a chunk of 2 GB", plain[:33] + b"\x7f\xff\xff\xfftEXt" + plain[33:]
    yield "PNG with a palette of 300", png(8, 8, colour=3)[:33] + chunk(b"PLTE", bytes(900)) + png(8, 8, colour=3)[33:]
    yield "PNG with an empty palette", png(8, 8, colour=3)[:33] + chunk(b"PLTE", b"") + png(8, 8, colour=3)[33:]
    yield "PNG without a palette", png(8, 8, colour=3)
    yield "PNG with odd transparency", with_chunks(plain, [chunk(b"tRNS", bytes(1000))])
    yield (
        "JPEG with 250 APP1",
        with_segments(photo, [segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"x" * 60_000)] * 250),
    )
    yield (
        "JPEG with 250 ICC pieces",
        with_segments(
            photo, [segment(0xE2, b"ICC_PROFILE\0" + bytes([n + 1, 250]) + b"x" * 60_000) for n in range(250)]
        ),
    )
    yield (
        "JPEG with an ICC of rubbish",
        with_segments(photo, [segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(range(256)) * 8)]),
    )
    yield "JPEG with 20,000 comments", with_segments(photo, [segment(0xFE, b"x")] * 20_000)
    yield "JPEG with 100,000 restarts", photo[:-2] + b"\xff\xd0" * 100_000 + photo[-2:]
    yield "JPEG with fill bytes", photo[:2] + b"\xff" * 100_000 + photo[2:]
    for name, exif in (
        ("a loop", _exif(_tag(0x8769, 4, 1, 8), _tag(0x8825, 4, 1, 8), next_ifd=8)),
        ("2^32 values", _exif(_tag(0x0112, 3, 2**32 - 1, 26), _tag(0x010F, 2, 2**32 - 1, 0))),
        ("orientation 99", _exif(_tag(0x0112, 3, 1, 99))), ("orientation 0", _exif(_tag(0x0112, 3, 1, 0))),
        ("orientation as text", _exif(_tag(0x0112, 2, 4, 0x36363636))),
        ("orientation 2^32-1", _exif(_tag(0x0112, 4, 1, 2**32 - 1))),
        ("an offset of 4 GB", _exif(_tag(0x8769, 4, 1, 2**32 - 1), next_ifd=2**32 - 1)),
        ("65,535 entries", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"),
        ("nothing", b"Exif\0\0"), ("rubbish", b"Exif\0\0" + bytes(range(256))),
        ("odd kinds", _exif(*(_tag(n, 200 + n % 50, 9, 9) for n in range(200)))),
    ):  # fmt: skip
        yield f"JPEG whose EXIF has {name}", with_segments(photo, [segment(0xE1, exif)])
        yield f"PNG whose EXIF has {name}", with_chunks(plain, [chunk(b"eXIf", exif[6:])])
        body = ORIGINALS["webp"][12:]
        yield f"WebP whose EXIF has {name}", vp8x(60, 40, body, riff_chunk(b"EXIF", exif[6:]), flags=8)
    yield "GIF with 10 MB of comments", _gif_with(b"\x21\xfe" + (b"\xff" + b"x" * 255) * 40_000 + b"\0")
    yield "GIF with 20,000 comments", _gif_with(b"\x21\xfe\1x\0" * 20_000)
    yield "WebP with 20,000 chunks", vp8x(60, 40, ORIGINALS["webp"][12:], riff_chunk(b"priv", b"x") * 20_000)


def _gif_with(blocks: bytes) -> bytes:
    content = ORIGINALS["gif"]
    at = 13 + 3 * (2 << (content[10] & 7)) if content[10] & 0x80 else 13
    return content[:at] + blocks + content[at:]


def _in_pieces(content: bytes) -> bytes:
    """A PNG whose pixels lie in many chunks."""
    size, at = struct.unpack(">I", content[33:37])[0], 41
    data = content[at : at + size]
    return (
        content[:33]
        + chunk(b"IDAT", b"") * 20_000
        + b"".join(chunk(b"IDAT", data[n : n + 1]) for n in range(len(data)))
        + chunk(b"IEND", b"")
    )


def _sound() -> Iterator[tuple[str, bytes]]:
    """I7: odd pictures that are valid."""
    small = drawn.gradient(40, 30)
    yield "CMYK", drawn.encoded(small.convert("CMYK"), "JPEG")
    yield "YCCK", ycck_jpeg(small)
    yield "16 bits", deep_png(small)
    for mode in ("L", "LA", "P", "1", "RGBA", "I;16"):
        yield (
            f"PNG {mode}",
            drawn.encoded(small.convert("L").convert("I;16") if mode == "I;16" else small.convert(mode), "PNG"),
        )
    yield "progressive", ORIGINALS["progressive"]
    yield "lossless WebP", ORIGINALS["lossless"]
    yield "interlaced", ORIGINALS["interlaced"]
    for width, height in ((1, 1), (1, 4000), (4000, 1), (3, 2)):
        for kind in ("PNG", "JPEG", "GIF", "WEBP", "AVIF"):
            yield f"{kind} {width}x{height}", drawn.encoded(Image.new("RGB", (width, height), (200, 30, 30)), kind)
    for orientation in range(1, 9):
        yield f"orientation {orientation}", drawn.jpeg(64, 48, orientation)
    yield "PNG with a transparent palette", drawn.encoded(small.convert("P"), "PNG", transparency=3)
    yield "GIF with transparency", drawn.encoded(small.convert("P"), "GIF", transparency=3)
    yield "GIF of another disposal", drawn.gif(32, 32, 5)


def _odd() -> Iterator[tuple[str, bytes]]:
    """Broken pictures that some decoders accept."""
    photo = bytearray(ORIGINALS["jpg"])
    at = photo.index(b"\xff\xc0")
    for n in range(2, 20):
        changed = photo.copy()
        changed[at + n] = 0xFF
        yield f"JPEG frame header {n}", bytes(changed)
    for kind, content in ORIGINALS.items():
        for n in range(4, 40, 3):
            changed = bytearray(content)
            changed[n] ^= 0xFF
            yield f"{kind} with byte {n} turned", bytes(changed)
    yield "GIF with a code size of 12", gif(9, 9).replace(b"\2\2\x44\1\0", b"\x0c\2\x44\1\0")
    yield "GIF with a code size of 255", gif(9, 9).replace(b"\2\2\x44\1\0", b"\xff\2\x44\1\0")
    yield "GIF with a frame outside", gif(9, 9).replace(b",\0\0\0\0", b",\xff\xff\xff\xff")


def polyglots() -> list[tuple[str, str, bytes]]:
    """I8: polyglots: name, the format that we see, bytes."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: Evil")
    jar = file.getvalue()
    photo = ORIGINALS["jpg"]
    return [
        ("GIF and JAR", "gif", ORIGINALS["gif"] + jar),
        ("JPEG and ZIP", "jpg", photo + jar),
        ("PNG and ZIP", "png", ORIGINALS["png"] + jar),
        ("HTML behind a PNG", "png", ORIGINALS["png"] + SCRIPT),
        ("HTML in a PNG's text", "png", with_chunks(ORIGINALS["png"], [chunk(b"tEXt", b"Comment\0" + SCRIPT)])),
        ("HTML in a JPEG's comment", "jpg", with_segments(photo, [segment(0xFE, SCRIPT)])),
        ("PHP in a JPEG's comment", "jpg", with_segments(photo, [segment(0xFE, b"<?php system($_GET['c']); ?>")])),
        ("PHP behind a GIF", "gif", ORIGINALS["gif"] + b"<?php system($_GET['c']); ?>"),
        ("HTML in a GIF's comment", "gif", _gif_with(b"\x21\xfe" + bytes([len(SCRIPT)]) + SCRIPT + b"\0")),
        ("HTML behind a WebP", "webp", ORIGINALS["webp"] + SCRIPT),
        ("PDF behind a JPEG", "jpg", photo + b"%PDF-1.4\n%%EOF"),
        ("a second JPEG behind the first", "jpg", photo + photo),
        ("a picture named otherwise", "png", drawn.png()),
    ]


def _none() -> Iterator[tuple[str, bytes]]:
    """I10: files that are not pictures."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">%s</svg>'
    link = b'<image xlink:href="file:///etc/passwd" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"/>'
    laughs = (
        b'<!DOCTYPE l [<!ENTITY a "ha">'
        + b"".join(b'<!ENTITY %c "&%c;&%c;&%c;">' % (98 + n, 97 + n, 97 + n, 97 + n) for n in range(20))
        + b"]>"
    )
    xxe = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + svg % b"<text>&e;</text>"
    yield from {
        "SVG": svg % b"", "SVG with a script": svg % b"<script>alert(1)</script>",
        "SVG that loads a file": svg % link, "SVG with XXE": xxe,
        "SVG of a billion laughs": laughs + svg % b"&t;", "SVG in UTF-16": (svg % b"").decode().encode("utf-16"),
        "SVG behind a comment": b"<!-- x -->" + svg % b"",
        "SVG behind white space": b"\n" * 5000 + svg % b"", "SVGZ": gzip.compress(svg % b""),
        "SVGZ bomb": gzip.compress(svg % bytes(50 * 2**20)),
        "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file", "PostScript": b"%!\nquit",
        "DOS EPS": b"\xc5\xd0\xd3\xc6" + bytes(30),
        "MVG": b"push graphic-context\nimage over 0,0 0,0 'url(http://127.0.0.1/)'\npop graphic-context",
        "MSL": b'<?xml version="1.0"?><image><read filename="/etc/passwd"/></image>',
        "m3u8": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "PPM": b"P6\n9 9\n255\n" + bytes(243),
        "PGM of 4 GB": b"P5\n65535 65535\n255\n", "PAM": b"P7\nWIDTH 9\nHEIGHT 9\nDEPTH 3\nMAXVAL 255\nENDHDR\n",
        "PFM": b"PF\n9 9\n-1.0\n", "FITS": b"SIMPLE  =                    T" + b" " * 2900,
        "Radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 9 +X 9\n", "CSV": b"1,2,3\n4,5,6\n",
        "vips": b"\xb6\xa6\xf2\x08" + bytes(60), "OpenEXR": b"v/1\x01" + bytes(60),
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60), "codestream": b"\xff\x4f\xff\x51" + bytes(60),
        "JPEG XL": b"\xff\x0a" + bytes(60), "JPEG XL box": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60),
        "PSD": b"8BPS\0\1" + bytes(60), "XCF": b"gimp xcf file\0" + bytes(60), "ICO": b"\0\0\1\0\1\0" + bytes(60),
        "CUR": b"\0\0\2\0\1\0" + bytes(60), "WMF": b"\xd7\xcd\xc6\x9a" + bytes(60),
        "DjVu": b"AT&TFORM" + bytes(60), "MNG": b"\x8aMNG\r\n\x1a\n" + bytes(60),
        "AVI": b"RIFF\0\0\0\0AVI LIST" + bytes(60), "MP4": b"\0\0\0\x18ftypmp42" + bytes(60),
        "QuickTime": b"\0\0\0\x14ftypqt  " + bytes(60),
        "Matroska": b"\x1a\x45\xdf\xa3" + bytes(60), "Ogg": b"OggS" + bytes(60), "MP3": b"ID3\x04" + bytes(60),
        "Flash": b"FWS\x09" + bytes(60), "ZIP": b"PK\3\4" + bytes(60), "gzip": gzip.compress(b"x"),
        "ELF": b"\x7fELF" + bytes(60), "Windows program": b"MZ" + bytes(60), "HTML": SCRIPT, "JSON": b"{}",
        "script": b"#!/bin/sh\nid\n", "base64": base64.b64encode(drawn.png()), "XPM": b"/* XPM */\nstatic char *x[]",
        "XBM": b"#define x_width 9\n#define x_height 9\nstatic char x_bits[] = {0};",
        "TGA": b"\0\0\2" + bytes(9) + b"\x09\0\x09\0\x18\0" + bytes(243), "PCX": b"\n\5\1\x08" + bytes(128),
        "SGI": b"\1\xda\0\1" + bytes(600),
        "DDS": b"DDS " + bytes(124), "DICOM": bytes(128) + b"DICM" + bytes(60),
        "NIfTI": struct.pack("<I", 348) + bytes(344), "Matlab": b"MATLAB 5.0 MAT-file" + bytes(200),

        "animated cursor": b"RIFF\0\0\0\0ACONLIST" + bytes(60),
        "BigTIFF": b"II+\0\x08\0\0\0" + bytes(60), "raw photo": b"IIU\0\x08\0\0\0" + bytes(60),
        "QOI": b"qoif" + bytes(60),
        "a PNG behind a line": b"\n" + drawn.png(), "a PNG behind a BOM": b"\xef\xbb\xbf" + drawn.png(),
        "a PNG turned to text": drawn.png().replace(b"\r\n", b"\n"),
    }.items()  # fmt: skip


def _other() -> Iterator[tuple[str, bytes]]:
    """Valid pictures of formats that are off by default."""
    load_heic()
    for kind in ("HEIF", "TIFF", "BMP"):
        yield kind, drawn.encoded(NOISE, kind)


def heavy(key: bytes) -> list[Case]:
    """Pictures of nearly 40 MP, several of each: accepted or refused as busy, in bounded memory."""
    large = drawn.gradient(7900, 5000)
    kinds: list[tuple[str, dict[str, object]]] = [
        ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {"compress_level": 1}), ("WEBP", {"method": 0}),
        ("AVIF", {"speed": 10}),
    ]  # fmt: skip
    contents = [(f"{kind} of 40 MP {options}", drawn.encoded(large, kind, **options)) for kind, options in kinds]
    taken = frozenset({200, 413, 503})
    return [Case(name, picture(key, content), taken, longest=12) for name, content in contents for _ in range(6)]
