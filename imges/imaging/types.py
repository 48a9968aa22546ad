"""What other rooms give to image processing and get from it. All data classes here are sent between processes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imges.errors import TooLargeImage
from imges.imaging.colour import Colour

MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "heic": "image/heic",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
}
"""The formats by our name for them, which is also the extension of their files; and their media types."""

ANIMATED = {"gif", "webp"}
"""Formats whose medium is animated, and whose animation survives `width`."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a file say, before any pixel is decoded."""

    format: str
    """A key of `MEDIA_TYPES`."""
    width: int
    """Pixels as stored, before orientation. For an animation those of the canvas."""
    height: int
    orientation: int = 1
    """The EXIF orientation, 1 to 8, if the format's viewers obey it. A made-up value counts as 1."""
    frames: int = 1
    bits: int = 8
    """Bits per channel."""
    channels: int | None = None
    """Components as API v1 reports them: 1, 3 or 4 for JPEG, 3 for GIF, else `None`."""
    progressive: bool = False
    """Whether it is a progressive JPEG, an interlaced PNG or a lossless WebP: a decoder holds all of it in memory."""
    samples: float = 3
    """Of a JPEG: values a pixel, 1.5 if the colours have half the width and height."""
    is_masked: bool = False
    """Whether it is a PNG with a transparent value (tRNS)."""
    palette: bool = False
    """Whether it is a PNG with a palette, of at most 256 colours."""
    file_size: int = 0
    """Bytes of the file."""
    colour: Colour | None = None
    """The colours that it says it has in another way than by an ICC profile; `None` if they are those of sRGB."""

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height in pixels as viewers show the picture, after EXIF orientation."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may be: its format; the most pixels of a side, of a frame and of all frames; the most frames."""

    formats: frozenset[str]
    side: int
    pixels: int
    frames: int
    total_pixels: int

    def check(self, header: Header) -> None:
        """Raises `TooLargeImage` if *header* is beyond a limit. The formats are not checked here."""
        pixels = header.width * header.height
        for found, limit, what in (
            (header.displayed[0], self.side, "is {:,} pixels wide"),
            (header.displayed[1], self.side, "is {:,} pixels high"),
            (pixels, self.pixels, "has {:,} pixels"),
            (header.frames, self.frames, "has {:,} frames"),
            (pixels * header.frames, self.total_pixels, "has {:,} pixels in all frames"),
        ):
            if found > limit:
                message = f"the image {what.format(found)}; this site takes up to {limit:,}"
                raise TooLargeImage(message, what=what.partition("{:,} ")[2], found=found, limit=limit)


@dataclass(frozen=True, slots=True)
class Quality:
    """Encoder settings of thumbs and mediums. `png` is the level of compression, 0 to 9; the others are 1 to 100."""

    jpeg: int = 85
    webp: int = 80
    avif: int = 60
    png: int = 6


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make of one picture."""

    thumb: tuple[int, int] = (160, 160)
    """Width and height in pixels. The picture is scaled, up if need be, to cover it, and its centre is taken."""
    medium: int = 500
    """Width in pixels of the medium; there is none if the original is no wider."""
    width: int | None = None
    """The width to which a wider original is resized; `None` leaves it as it is."""
    animate: bool = True
    """Whether an animated GIF or WebP gets a medium, which then is animated, or is resized to `width`."""
    keep_metadata: bool = False
    quality: Quality = field(default_factory=Quality)


@dataclass(frozen=True, slots=True)
class Given:
    """A file of *size* bytes that becomes renditions.

    If it is *ours*, it may become the original as it is. Else it belongs to somebody else, and is only read. If there
    is *content*, that is written to *path* first.
    """

    path: Path
    size: int
    ours: bool = False
    content: bytes | None = None


NOT_HASHED = ""
"""The digest of a file that the server has not copied yet."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """One finished file: its *size* in bytes, its *md5* in hex, and what it shows, in pixels as displayed.

    The server computes *md5* and *crc32* where it copies the file out of the cage: a worker's word is not trusted.
    """

    path: Path
    size: int
    md5: str
    format: str
    width: int
    height: int
    bits: int
    channels: int | None
    frames: int = 1
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Renditions:
    """All files of one picture; the *frames* of its original; and its *exif*, value by tag, if metadata is kept.

    *removed* is what was taken out of it: kinds of `imges.imaging.formats.removed`.
    """

    original: Rendition
    thumb: Rendition
    medium: Rendition | None
    frames: int
    exif: dict[str, str] | None = None
    removed: tuple[str, ...] = ()


class Picture(Protocol):
    """A decoded still: upright, 8 bits a channel, sRGB or grey, with or without transparency."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        ...

    def resized(self, size: tuple[int, int]) -> "Picture":
        """The whole picture in exactly *size*."""
        ...

    def covering(self, size: tuple[int, int]) -> "Picture":
        """The largest part in the middle that has the proportions of *size*, in exactly *size*."""
        ...

    def encode(self, header: Header, quality: Quality) -> bytes:
        """The picture as a file of the format of *header*, its original's, without metadata."""
        ...

    def filtered_png(self) -> bytes:
        """The picture as a PNG with filters. Smooth ones become far smaller by them, but it takes longer."""
        ...

    def png_of_16_colours(self) -> bytes:
        """The picture as a PNG of 16 colours, 4 bits a pixel. It has to be opaque."""
        ...


class Processor(Protocol):
    """Decodes and encodes. It runs in a worker process, so it may block, and hold a picture in memory.

    Both methods raise `NotAnImage` if the file is damaged: nothing is repaired.
    """

    name: str

    def decode(self, file: Path, header: Header, size: tuple[int, int]) -> Picture:
        """The picture in *file*, or an animation's first frame, in exactly *size*. All its data is decoded."""
        ...

    def animate(self, file: Path, header: Header, size: tuple[int, int], quality: Quality) -> bytes:
        """The GIF or WebP animation in *file* as a file of exactly *size*, with the same delays and loops."""
        ...
