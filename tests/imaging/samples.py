"""Pictures of every format and kind, and broken ones, made as they are needed."""

import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

from tests.drawn import encoded, gradient

SECRET = "SECRET-4711"
ALL = frozenset({"jpg", "png", "gif", "webp", "avif", "heic", "tiff", "bmp"})
WEB = frozenset({"jpg", "png", "gif", "webp", "avif"})
PILLOW = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "avif": "AVIF", "tiff": "TIFF", "bmp": "BMP"}
TURNING = ["jpg", "png", "avif"]
"""Formats whose orientation browsers obey."""

RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 200, 20), (20, 20, 220), (250, 250, 250)


@cache
def corners(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """Four quarters: red and green above, blue and white below. They show how a picture was turned."""
    image = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), fill=GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), fill=BLUE)
    draw.rectangle((width // 2, height // 2, width, height), fill=WHITE)
    return image.convert(mode)


def colours(image: Image.Image) -> list[str]:
    """The names of the four quarters' colours, clockwise from above left."""
    rgb = image.convert("RGB")
    width, height = rgb.size
    points = [(1, 1), (3, 1), (3, 3), (1, 3)]
    return [nearest(rgb.getpixel((width * x // 4, height * y // 4))) for x, y in points]


def nearest(pixel: Any) -> str:
    known = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    return min(known, key=lambda name: sum(abs(a - b) for a, b in zip(known[name], pixel, strict=True)))


def exif_block(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = f"{SECRET} maker"
    exif[0x9C9B] = f"{SECRET} title".encode("utf-16-le")
    exif.get_ifd(0x8769)[0xA431] = f"{SECRET} serial"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    return exif


XMP = f"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"
dc:creator="{SECRET}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()


@cache
def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@cache
def full_of_metadata(format: str, orientation: int = 1) -> bytes:
    """A picture with everything that its format can carry besides pixels. The secret stands in each part."""
    return {"jpg": _jpeg, "png": _png, "gif": _gif, "webp": _webp, "avif": _avif}[format](orientation)


def _jpeg(orientation: int) -> bytes:
    data = encoded(
        corners(), "JPEG", quality=95, exif=exif_block(orientation), xmp=XMP, comment=SECRET, icc_profile=profile()
    )
    iptc = b"8BIM\x04\x04\0\0" + struct.pack(">I", 5 + len(SECRET)) + b"\x1c\x02\x50" + _short_text(SECRET)
    return data[:2] + segment(0xED, b"Photoshop 3.0\0" + iptc) + segment(0xEC, b"Ducky" + SECRET.encode()) + data[2:]


def _short_text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _png(orientation: int) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", SECRET)
    info.add_text("Comment", SECRET, zip=True)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    info.add(b"tIME", struct.pack(">HBBBBB", 2014, 6, 4, 1, 2, 3))
    info.add(b"prVt", SECRET.encode())
    info.add(b"zzZt", SECRET.encode(), after_idat=True)
    return encoded(corners(), "PNG", pnginfo=info, exif=exif_block(orientation), icc_profile=profile(), dpi=(72, 72))


def _gif(_orientation: int) -> bytes:
    pictures = [corners().rotate(90 * turn).convert("P") for turn in range(3)]
    data = encoded(
        pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=[80, 120, 40], loop=3, comment=SECRET
    )
    xmp = b"\x21\xff\x0bXMP DataXMP" + XMP + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    text = b"\x21\xf9\x04\0\x0a\0\0\0\x21\x01\x0c" + bytes(12) + bytes([len(SECRET)]) + SECRET.encode() + b"\0"
    at = data.index(b"\x21\xff\x0bNETSCAPE")
    return data[:at] + xmp + text + data[at:]


def _webp(orientation: int) -> bytes:
    data = encoded(corners(), "WEBP", quality=90, exif=exif_block(orientation), xmp=XMP, icc_profile=profile())
    return riff(data[12:] + riff_chunk(b"priv", SECRET.encode()))


def riff(chunks: bytes) -> bytes:
    return struct.pack("<4sI4s", b"RIFF", len(chunks) + 4, b"WEBP") + chunks


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2)


def _avif(orientation: int) -> bytes:
    return encoded(
        corners(), "AVIF", quality=90, speed=10, exif=exif_block(orientation), xmp=XMP, icc_profile=profile()
    )


@cache
def animated(format: str, frames: int = 4, width: int = 600, height: int = 450, **options: Any) -> bytes:
    """A square that moves over a ground of four colours. Each frame has another delay."""
    pictures: list[Image.Image] = []
    for number in range(frames):
        picture = corners(width, height).copy()
        ImageDraw.Draw(picture).rectangle((number * 20, 10, number * 20 + 60, 70), fill=(10, 10, 10))
        pictures.append(picture.quantize(64) if format == "gif" else picture)
    options = {"duration": [40 + 20 * number for number in range(frames)], "loop": 2} | options
    return encoded(pictures[0], PILLOW[format], save_all=True, append_images=pictures[1:], **options)


def picture(format: str, width: int = 64, height: int = 48, **options: Any) -> bytes:
    """A plain picture in that format."""
    return encoded(gradient(width, height), PILLOW[format], **options)


# PNG by hand


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IEND", b"")


def png_header(width: int, height: int, bits: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))


def rgb16_png(width: int, height: int) -> bytes:
    """16 bits a channel, which Pillow cannot write. The left half has 0xFFFF of red."""
    rows = b"".join(
        b"\0" + b"".join(struct.pack(">HHH", 0xFFFF if x < width // 2 else 0, 0x1234, 0x8000) for x in range(width))
        for _ in range(height)
    )
    return png_of(png_header(width, height, bits=16), png_chunk(b"IDAT", zlib.compress(rows)))


# Bombs: headers of the largest sizes, and hardly any bytes


def png_bomb() -> bytes:
    return png_of(png_header(30000, 30000), png_chunk(b"IDAT", zlib.compress(bytes(30_000_000))))


def jpeg_bomb(size: int = 65500) -> bytes:
    data = bytearray(encoded(Image.new("L", (16, 16)), "JPEG", progressive=True))
    at = data.index(b"\xff\xc2")
    data[at + 5 : at + 9] = struct.pack(">HH", size, size)
    return bytes(data)


def gif_bomb(frames: int = 1) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + frame * frames + b"\x3b"


def webp_bomb() -> bytes:
    return encoded(Image.new("L", (16383, 16383)).convert("RGB"), "WEBP", quality=0, method=0)


def bmp_bomb() -> bytes:
    return (
        b"BM" + struct.pack("<IHHI", 60, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 100_000, 100_000, 1, 24, *[0] * 6)
    )


def tiff_bomb() -> bytes:
    tags = [(256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1), (258, 3, 1, 8 << 16), (262, 3, 1, 1 << 16)]
    return (
        b"MM\0*\0\0\0\x08"
        + struct.pack(">H", len(tags))
        + b"".join(struct.pack(">HHII", *tag) for tag in tags)
        + bytes(4)
    )


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image
