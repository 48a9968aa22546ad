"""Pictures of every kind, and what is seen of them: four coloured quarters, which every turn and mirror moves."""

import struct
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pyvips
from PIL import Image, ImageChops, ImageCms, ImageSequence

from imges.imaging.render import load_heic
from tests.drawn import encoded

RED, GREEN, BLUE, YELLOW = (230, 30, 30), (30, 180, 30), (30, 30, 230), (230, 230, 30)
QUARTERS = "red green blue yellow"
"""What `seen` returns for `quarters`: the colours above left, above right, below left, below right."""
COLOURS = {
    "red": RED,
    "green": GREEN,
    "blue": BLUE,
    "yellow": YELLOW,
    "white": (255,) * 3,
    "black": (0,) * 3,
    "grey": (128,) * 3,
}

TURNED_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that writes this EXIF orientation has turned the picture."""

load_heic()


def quarters(width: int = 120, height: int = 80, colours: Sequence[Any] = (RED, GREEN, BLUE, YELLOW)) -> Image.Image:
    image = Image.new("RGB" if len(colours[0]) == 3 else "RGBA", (width, height))
    for n, colour in enumerate(colours):
        left, top = n % 2 * width // 2, n // 2 * height // 2
        image.paste(colour, (left, top, left + width - width // 2, top + height - height // 2))
    return image


def bands_of_grey(width: int = 120, height: int = 80) -> Image.Image:
    """Quarters in black, white, white and black."""
    return quarters(width, height, [(0,) * 3, (255,) * 3, (255,) * 3, (0,) * 3]).convert("L")


def turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(TURNED_BACK[orientation]) if orientation in TURNED_BACK else image


def opened(file: Path | bytes) -> Image.Image:
    image = Image.open(BytesIO(file if isinstance(file, bytes) else file.read_bytes()))
    image.load()
    return image


def nearest(colour: Sequence[int]) -> str:
    """The name of the nearest colour; `nothing` if it is at least half transparent."""
    if len(colour) == 4 and colour[3] < 128:
        return "nothing"
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], colour, strict=False)))


def seen(file: Path | bytes | Image.Image) -> str:
    """The names of the colours of the four quarters, as they stand in the file."""
    image = (file if isinstance(file, Image.Image) else opened(file)).convert("RGBA")
    at = [(image.width * x // 4, image.height * y // 4) for y in (1, 3) for x in (1, 3)]
    return " ".join(nearest(cast("tuple[int, ...]", image.getpixel(point))) for point in at)


def frames(file: Path | bytes) -> list[Image.Image]:
    with Image.open(BytesIO(file) if isinstance(file, bytes) else file) as image:
        return [frame.convert("RGBA") for frame in ImageSequence.Iterator(image)]


def delays(file: Path | bytes) -> list[int]:
    """The delays in milliseconds. Pillow knows those of a WebP only after it has decoded a frame."""
    with Image.open(BytesIO(file) if isinstance(file, bytes) else file) as image:
        shown: list[int] = []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            shown.append(int(frame.info.get("duration", 0)))
        return shown


def pixels(file: Path | bytes) -> list[bytes]:
    """All pixels of all frames as they stand in the file."""
    with Image.open(BytesIO(file) if isinstance(file, bytes) else file) as image:
        return [frame.tobytes() for frame in ImageSequence.Iterator(image)]


def oriented(format: str, orientation: int, **options: Any) -> bytes:
    """The quarters as a camera with this EXIF orientation stores them."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(turned(quarters(), orientation), format, exif=exif, **options)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def with_segments(jpeg: bytes, segments: Iterable[bytes]) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_chunks(png: bytes, chunks: Iterable[bytes]) -> bytes:
    """*png* with *chunks* behind its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a WebP."""
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2)


def deep_png(image: Image.Image) -> bytes:
    """A PNG of 16 bits a channel. Pillow writes those in grey only."""
    colour = {"RGB": 2, "RGBA": 6, "L": 0, "LA": 4}[image.mode]
    rows = [
        b"\0" + b"".join(bytes([value, value]) for value in image.crop((0, y, image.width, y + 1)).tobytes())
        for y in range(image.height)
    ]
    head = struct.pack(">IIBBBBB", image.width, image.height, 16, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def interlaced_png(image: Image.Image) -> bytes:
    raw = pyvips.Image.new_from_memory(image.tobytes(), image.width, image.height, len(image.getbands()), "uchar")
    return bytes(raw.copy(interpretation="srgb").pngsave_buffer(interlace=True, keep=0))


def ycck_jpeg(image: Image.Image) -> bytes:
    """CMYK as programs for printers store it: colours as luma and chroma, and Adobe's segment that says so."""
    *colours, black = image.convert("CMYK").split()
    luma = [ImageChops.invert(band) for band in Image.merge("RGB", colours).convert("YCbCr").split()]
    data = encoded(Image.merge("CMYK", [*luma, black]), "JPEG", quality=95)
    at = data.index(b"Adobe") + 11
    return data[:at] + b"\2" + data[at + 1 :]


@cache
def exchanging_profile() -> bytes:
    """An ICC profile in which red means blue and blue means red, so that a test sees whether it was applied."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)


MOVING = ("red", "green", "blue", "yellow")


def animation(format: str, size: tuple[int, int] = (120, 80), **options: Any) -> bytes:
    """Four frames of one colour each."""
    pictures = [Image.new("RGB", size, COLOURS[name]) for name in MOVING]
    return encoded(pictures[0], format, save_all=True, append_images=pictures[1:], **options)


@cache
def sample(format: str, size: tuple[int, int] = (120, 80)) -> bytes:
    """A plain picture in a format, given by our name for it."""
    names = {"jpg": "JPEG", "heic": "HEIF"}
    return encoded(quarters(*size), names.get(format, format.upper()))
