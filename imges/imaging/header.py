"""Which format a file has, and what its header says, before any pixel is decoded. The name never counts."""

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
    ("bmp", re.compile(rb"BM.{4}\0\0\0\0....[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)),
)

FOREIGN = re.compile(
    rb"""
    %PDF- | .{1,1000}%PDF-\d | %!PS | \xc5\xd0\xd3\xc6              # PDF, PostScript, EPS
    | \xff\x0a | \0\0\0\x0cJXL\x20 | \0\0\0\x0cjP\x20\x20 | \xff\x4f\xff\x51   # JPEG XL, JPEG 2000
    | 8BPS | gimp\x20xcf | AT&TFORM | BPG\xfb | FLIF | qoif | DDS\x20 | v/1\x01   # PSD, XCF, DjVu, BPG, ..., OpenEXR
    | \0\0[\x01\x02]\0.\0 | \xd7\xcd\xc6\x9a | \x01\0\0\0.{36}\x20EMF  # ICO, CUR, WMF, EMF
    | \#\?R(ADIANCE|GBE) | P[1-7fF]\s | SIMPLE\x20\x20= | [\x8a\x8b][MJ]NG      # Radiance, PNM, FITS, MNG, JNG
    | /\*\x20XPM | II[\x2b\x55]\0 | MM\0\x2b | IIR[OS] | \x08\xf2\xa6\xb6 | \xb6\xa6\xf2\x08   # XPM, BigTIFF, raw, vips
    | push\x20graphic-context | RIFF....(AVI\x20|ACON) | FORM....(ILBM|PBM\x20)  # MVG, AVI, ANI, IFF
    | \x1a\x45\xdf\xa3 | FLV\x01 | \0\0\x01[\xb3\xba] | OggS | \x30\x26\xb2\x75 | FWS | CWS    # Matroska, ..., Flash
    """,
    re.DOTALL | re.VERBOSE,
)
"""How pictures, documents and films begin that are not taken here."""

MARKUP = re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|!--|!doctype\s+svg|!doctype\s+\[|(\w+:)?svg)", re.IGNORECASE)
SVG = re.compile(rb"<(\w+:)?svg[\s>/]", re.IGNORECASE)
GZIP = b"\x1f\x8b"
LOOKED_AT = 2**16
"""Bytes in which an SVG's root element is looked for."""


def inspect(file: Path, allowed: frozenset[str]) -> Header:
    """The header of *file*.

    Raises: NotAnImage; FormatRefused for a format that is not in *allowed*, or that is none of ours.
    """
    data = file.read_bytes()
    found = recognise(data)
    if found not in allowed:
        raise FormatRefused(found)
    return replace(formats.read(found, data), file_size=len(data))


def recognise(data: bytes) -> str:
    """The format by our name for it. Raises: NotAnImage, FormatRefused."""
    for name, signature in SIGNATURES:
        if signature.match(data):
            return name
    if data[4:8] == b"ftyp":
        return formats.kind_of_heif(data)
    if FOREIGN.match(data) or _is_svg(data):
        raise FormatRefused
    raise NotAnImage


def _is_svg(data: bytes) -> bool:
    """SVG in any dress: behind an XML prolog, comments or white space, in UTF-16, compressed."""
    start = data[:LOOKED_AT]
    if data.startswith(GZIP):
        try:
            start = zlib.decompressobj(wbits=31).decompress(data[:LOOKED_AT], LOOKED_AT)
        except zlib.error:
            return False
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start.decode("utf-16", "ignore").encode()
    return bool(MARKUP.match(start) and SVG.search(start))
