"""The formats, a module for each: what a header says, and which bytes of a file belong to the picture.

Nothing here decodes a pixel or calls a decoder. The bytes are hostile: a stranger wrote them to crash a reader, to take
its memory or time, or to hide text in a picture. Whatever is wrong with them raises `NotAnImage`.
"""

import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import MappingProxyType

from imges.errors import NotAnImage
from imges.imaging.formats import bmp, gif, heif, heif_boxes, heif_filter, heif_items, jpeg, png, removed, tiff, webp
from imges.imaging.formats.parts import Filtered
from imges.imaging.types import Header

_READERS: MappingProxyType[str, Callable[[bytes], Header]] = MappingProxyType(
    {
        "jpg": jpeg.read,
        "png": png.read,
        "gif": gif.read,
        "webp": webp.read,
        "avif": heif.read_avif,
        "heic": heif.read_heic,
        "tiff": tiff.read,
        "bmp": bmp.read,
    }
)
_FILTERS: MappingProxyType[str, Callable[[bytes, int], Filtered]] = MappingProxyType(
    {"jpg": jpeg.strip, "png": png.strip, "gif": gif.strip, "webp": webp.strip, "avif": heif_filter.strip}
)
CONVERTED = frozenset(_READERS) - frozenset(_FILTERS)
"""Formats that become another one on arrival: browsers do not show them, or their files are too large to serve."""


def kind_of_heif(data: bytes) -> str:
    """`avif` or `heic`. Raises `FormatRefused` if it is a video or of another codec; `NotAnImage` if damaged."""
    with _hostile_bytes():
        return heif.kind(data)


def read(format: str, data: bytes) -> Header:
    """What the header of *data* says. Raises `NotAnImage` if it is damaged, has no pixels, or ends too early."""
    with _hostile_bytes():
        header = _READERS[format](data)
    if min(header.width, header.height) < 1:
        raise NotAnImage("the image has no pixels")
    return header


def about(format: str, data: bytes) -> set[str]:
    """What a file that is converted has beside its picture: kinds of `imges.imaging.formats.removed`."""
    if format == "heic":
        with _hostile_bytes():
            return heif_items.about(data, heif_items.read_meta(data, heif_boxes.top_boxes(data)))
    return removed.in_exif(data) if format == "tiff" else set()


def strip(data: bytes, header: Header) -> Filtered:
    """The picture without metadata and without what follows its end. Pixels, orientation and ICC profile stay.

    Raises `NotAnImage` if it is damaged or ends too early.
    """
    with _hostile_bytes():
        return _FILTERS[header.format](data, header.orientation)


@contextmanager
def _hostile_bytes() -> Generator[None]:
    """Raises `NotAnImage` if a parser runs off the end of the data."""
    try:
        yield
    except (struct.error, IndexError) as error:
        raise NotAnImage from error
