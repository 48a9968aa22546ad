"""What the rooms around say to image processing and hear from it. Everything here travels between processes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imges.errors import TooLargeImage

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
"""The formats by our name for them, which is also the extension, and their media types."""

ANIMATED = {"gif", "webp"}
"""Formats whose medium is animated, and whose animation survives `width`."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a file say, before any pixel is decoded."""

    format: str
    """A key of `MEDIA_TYPES`."""
    width: int
    """Pixels, as stored, before orientation; of the canvas for animations."""
    height: int
    orientation: int = 1
    """EXIF orientation, 1 to 8, where the format's viewers obey it; a made-up value counts as 1."""
    frames: int = 1
    bits: int = 8
    """Bits per channel."""
    channels: int | None = None
    """Components as API v1 tells them: 1, 3 or 4 for JPEG, 3 for GIF, else `None`."""
    progressive: bool = False
    """A progressive JPEG or interlaced PNG: decoding holds all of it in memory."""
    palette: bool = False
    """A PNG of at most 256 colours."""
    file_size: int = 0
    """Bytes of the file."""

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height in pixels as viewers show it, after EXIF orientation."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may be: its *formats*; pixels of a side, of a frame, of all frames; frames."""

    formats: frozenset[str]
    side: int
    pixels: int
    frames: int
    total_pixels: int

    def check(self, header: Header) -> None:
        """Raises: TooLargeImage, from the header alone."""
        pixels = header.width * header.height
        for found, limit, what in (
            (max(header.width, header.height), self.side, "pixels a side"),
            (pixels, self.pixels, "pixels"),
            (header.frames, self.frames, "frames"),
            (pixels * header.frames, self.total_pixels, "pixels in all frames"),
        ):
            if found > limit:
                raise TooLargeImage(f"the image has {found:,} {what}; this site takes up to {limit:,}")


@dataclass(frozen=True, slots=True)
class Quality:
    """Encoder settings of thumbs and mediums; `png` is the compression level, 0 to 9, the others 1 to 100."""

    jpeg: int = 85
    webp: int = 80
    avif: int = 60
    png: int = 6


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make of one picture."""

    thumb: tuple[int, int] = (160, 160)
    """Pixels, width and height: scaled to cover, centre-cropped; smaller pictures are scaled up to fill."""
    medium: int = 500
    """Pixels wide; only where the original is wider."""
    width: int | None = None
    """Resize the original down to this width."""
    animate: bool = True
    """Whether the medium of an animated GIF or WebP (and an original resized by `width`) is animated."""
    keep_metadata: bool = False
    quality: Quality = field(default_factory=Quality)


@dataclass(frozen=True, slots=True)
class Given:
    """A file of *size* bytes to make renditions of.

    *Ours*, it may become the original as it is; another belongs to somebody else, and is only read. What has *content*
    is to be written to *path* first.
    """

    path: Path
    size: int
    ours: bool = False
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Rendition:
    """One finished file: its *size* in bytes, hex *md5*, and what it shows, in pixels as displayed."""

    path: Path
    size: int
    md5: str
    format: str
    width: int
    height: int
    bits: int
    channels: int | None


@dataclass(frozen=True, slots=True)
class Renditions:
    """All files of one picture; *frames* of the stored original, *exif* as tag → value where metadata is kept."""

    original: Rendition
    thumb: Rendition
    medium: Rendition | None
    frames: int
    exif: dict[str, str] | None = None


class Picture(Protocol):
    """One decoded still: upright, 8 bits a channel, sRGB or grey, with or without transparency."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        ...

    def resized(self, size: tuple[int, int]) -> "Picture":
        """All of it in exactly *size*."""
        ...

    def covering(self, size: tuple[int, int]) -> "Picture":
        """Its centre, as much of it as has the proportions of *size*, in exactly *size*."""
        ...

    def encode(self, header: Header, quality: Quality) -> bytes:
        """As a file of the format of *header*, its original's, without metadata."""
        ...


class Processor(Protocol):
    """Decodes and encodes. Runs in a worker process: synchronous, and free to hold a picture in memory.

    Both methods raise `imges.errors.NotAnImage` for what is damaged: nothing is repaired.
    """

    name: str

    def decode(self, file: Path, header: Header, size: tuple[int, int]) -> Picture:
        """The picture in *file*, an animation's first frame, all of its data decoded, scaled down to exactly *size*."""
        ...

    def animate(self, file: Path, header: Header, size: tuple[int, int], quality: Quality) -> bytes:
        """The animation in *file*, GIF or WebP, as a file of exactly *size*, with its delays and number of loops."""
        ...
