"""Which format a file has, and what its header says, before any pixel is decoded. The file's name never counts."""

import re
import zlib
from dataclasses import replace
from pathlib import Path

from imges.errors import FormatRefused, NotAnImage
from imges.imaging import formats
from imges.imaging.types import Header

SIGNATURES = (
    ("jpg", re.compile(rb"\xff\xd8\xff")),
    ("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("gif", re.compile(rb"GIF8[79]a")),
    ("webp", re.compile(rb"RIFF....WEBPVP8[ LX]", re.DOTALL)),
    ("tiff", re.compile(rb"II\*\0|MM\0\*")),
    ("bmp", re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)),
)

FOREIGN = (
    ("PDF files", rb"%PDF- | .{1,1000}%PDF-\d"),
    ("PostScript files", rb"%!PS | \xc5\xd0\xd3\xc6"),
    ("JPEG XL", rb"\xff\x0a | \0\0\0\x0cJXL\x20"),
    ("JPEG 2000", rb"\0\0\0\x0cjP\x20\x20 | \xff\x4f\xff\x51"),
    ("JPEG XR", rb"II\xbc\x01"),
    (
        "camera raw files",
        rb"FUJIFILMCCD-RAW | II[RU][OS\0] | MMOR | II\x1a\0\0\0HEAP | \0MR[MI] | FOVb | ....ftypcrx",
    ),
    ("Photoshop files", rb"8BPS"),
    ("XCF", rb"gimp\x20xcf"),
    ("DjVu", rb"AT&TFORM"),
    ("BPG", rb"BPG\xfb"),
    ("FLIF", rb"FLIF"),
    ("QOI", rb"qoif"),
    ("DDS", rb"DDS\x20"),
    ("OpenEXR", rb"v/1\x01"),
    ("icons", rb"\0\0[\x01\x02]\0.\0"),
    ("Windows metafiles", rb"\xd7\xcd\xc6\x9a | \x01\0\0\0.{36}\x20EMF"),
    ("Radiance", rb"\#\?R(ADIANCE|GBE)"),
    ("PNM", rb"P[1-7fF]\s"),
    ("FITS", rb"SIMPLE\x20\x20="),
    ("MNG", rb"[\x8a\x8b][MJ]NG"),
    ("XPM", rb"/\*\x20XPM"),
    ("BigTIFF", rb"II\x2b\0 | MM\0\x2b"),
    ("VIPS", rb"\x08\xf2\xa6\xb6 | \xb6\xa6\xf2\x08"),
    ("MVG", rb"push\x20graphic-context"),
    ("animated cursors", rb"RIFF....ACON"),
    ("IFF", rb"FORM....(ILBM|PBM\x20)"),
    ("videos", rb"RIFF....AVI\x20 | \x1a\x45\xdf\xa3 | FLV\x01 | \0\0\x01[\xb3\xba] | OggS | \x30\x26\xb2\x75"),
    ("Flash films", rb"FWS | CWS"),
)
"""How pictures, documents and films begin that are refused, and their names. Other bytes are no picture at all."""
FOREIGN_START = re.compile(
    b"|".join(b"(?P<n%d>%b)" % (number, pattern) for number, (_, pattern) in enumerate(FOREIGN)), re.DOTALL | re.VERBOSE
)

MARKUP = re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|!--|!doctype\s+svg|!doctype\s+\[|(\w+:)?svg)", re.IGNORECASE)
SVG = re.compile(rb"<(\w+:)?svg[\s>/]", re.IGNORECASE)
GZIP = b"\x1f\x8b"
LOOKED_AT = 2**16
"""Bytes that are searched for an SVG's root element."""


def inspect(file: Path, allowed: frozenset[str]) -> Header:
    """The header of *file*.

    Raises `NotAnImage` if it is damaged or no picture, and `FormatRefused` if its format is not in *allowed*.
    """
    data = file.read_bytes()
    found = recognise(data)
    if found not in allowed:
        raise FormatRefused(found)
    return replace(formats.read(found, data), file_size=len(data))


def recognise(data: bytes) -> str:
    """The format by our name for it. Raises `FormatRefused` if it is another known one, else `NotAnImage`."""
    for name, signature in SIGNATURES:
        if signature.match(data):
            return name
    if data[4:8] == b"ftyp" and data[8:11] != b"crx":  # Canon's raw files
        return formats.kind_of_heif(data)
    if foreign := FOREIGN_START.match(data):
        raise FormatRefused(FOREIGN[int((foreign.lastgroup or "n0")[1:])][0])
    if _is_svg(data):
        raise FormatRefused("svg")
    raise NotAnImage


def _is_svg(data: bytes) -> bool:
    """Whether it is SVG: also behind an XML prolog, comments or white space, in UTF-16, or compressed."""
    start = data[:LOOKED_AT]
    if data.startswith(GZIP):
        try:
            start = zlib.decompressobj(wbits=31).decompress(data[:LOOKED_AT], LOOKED_AT)
        except zlib.error:
            return False
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start.decode("utf-16", "ignore").encode()
    return bool(MARKUP.match(start) and SVG.search(start))
