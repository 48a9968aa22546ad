"""TIFF 6.0, the first picture of the file. It is converted on arrival, so there is no filter."""

from imges.errors import NotAnImage
from imges.imaging.formats import exif
from imges.imaging.types import Header

WIDTH, HEIGHT, BITS = 256, 257, 258


def read(data: bytes) -> Header:
    """The header, from the first directory."""
    try:
        tags = exif.first_directory(data)
        width, height = tags[WIDTH][0], tags[HEIGHT][0]
    except (ValueError, KeyError) as error:
        raise NotAnImage("the TIFF is damaged") from error
    return Header("tiff", width, height, exif.orientation(data), bits=max(tags.get(BITS, (1,))))
