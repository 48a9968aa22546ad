"""What the first bytes of a file say it is. It decides how a body is read; the worker decides what a picture is."""

import re

ENOUGH = 512
"""Bytes at the beginning that decide."""

_PICTURE = re.compile(
    rb"\xff\xd8\xff"  # JPEG
    rb"|\x89PNG"  # also if the line ends behind it were lost
    rb"|GIF8[79]a"
    rb"|RIFF.{4}WEBP"
    rb"|.{4}ftyp(?:avi[fs]|hei[cfsx]|hev[cx]|mif1|msf1)"
    rb"|II\*\0|MM\0\*"  # TIFF
    rb"|BM.{4}\0\0\0\0"
    rb"|\0\0\0\x0cJXL \r\n",
    re.DOTALL,
)

_OTHERS = {
    rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body)": "an HTML page",
    rb"%PDF-": "a PDF",
    rb"PK\x03\x04": "a ZIP archive",
    rb"\x1f\x8b": "a gzip archive",
    rb".{4}ftyp|\x1aE\xdf\xa3": "a video",
    rb"\s*[{\[]\s*[\"{]": "JSON",
    rb"data:image/": "a `data:` address as text",
    rb"(?:iVBORw0KGgo|/9j/[2-7]|R0lGOD[dl]h|UklGR)": "base64 text",
    rb"https?://": "an address as text",
    # a picture whose bytes were decoded as UTF-8 or Latin-1 and encoded again
    rb"\xef\xbf\xbd\x50NG|\xc2\x89PNG|(?:\xef\xbf\xbd){3}|\xc3\xbf\xc3\x98\xc3\xbf": (
        "a picture that was read as text on the way, which destroys it"
    ),
}
_OTHER = [(re.compile(pattern, re.DOTALL | re.IGNORECASE), name) for pattern, name in _OTHERS.items()]


def is_picture(head: bytes) -> bool:
    """Returns whether *head*, the beginning of a file, has the signature of a picture."""
    return _PICTURE.match(head) is not None


def other_than_picture(head: bytes) -> str | None:
    """Names the kind of file that begins with *head*, if people send that kind by mistake; else `None`."""
    return next((name for pattern, name in _OTHER if pattern.match(head[:ENOUGH])), None)
