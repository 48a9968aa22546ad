"""BMP, the bitmap of Windows and OS/2. It is converted on arrival, so there is no filter."""

import struct

from imges.imaging.types import Header

CORE = 12
"""Bytes of OS/2's header, the oldest one, whose width and height have two bytes each."""


def read(data: bytes) -> Header:
    """The header. A negative height says that the rows stand from top to bottom."""
    (size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if size == CORE else "<ii", data, 18)
    return Header("bmp", width, abs(height))
