"""JPEG (ITU-T T.81): markers and segments."""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from imges.errors import NotAnImage
from imges.imaging.formats import exif
from imges.imaging.formats.parts import MAX_ICC, Parts
from imges.imaging.types import Header

SOI, EOI = 0xD8, 0xD9
SOS = 0xDA
APP0, APP1, APP2, APP14 = 0xE0, 0xE1, 0xE2, 0xEE
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15: the frame header, with the size."""
FRAME_HEADER = 6
"""Bytes of it at least: precision, height, width, number of components."""
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
TABLES = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}
"""DHT, DAC, DQT, DNL, DRI: needed for decoding, as frames and scans are."""
DROPPED = frozenset(range(0xE0, 0xF0)) | {0xFE}
ALONE = frozenset(range(0xD0, 0xD8)) | {0x01}
"""Markers without a segment: restarts, TEM."""

MARKER = re.compile(rb"\xff[^\x00\xff]")
END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""In entropy-coded data FF is stuffed with 00, and restart markers belong to it."""

EXIF = b"Exif\0\0"
ICC = b"ICC_PROFILE\0"
MAX_SCANS = 100
"""Each scan is a pass over all of the picture, and takes few bytes; libvips draws the line here too."""


class Segment(NamedTuple):
    """From the marker at *start* to *stop*; a scan's has its entropy-coded data too. The payload begins at *body*."""

    marker: int
    start: int
    stop: int

    @property
    def body(self) -> int:
        return self.start + 4


def _segments(data: bytes, *, header: bool = False) -> Iterator[Segment]:
    """All segments up to the end-of-image marker; of a *header* those up to the first scan.

    Raises: NotAnImage when it is missing or there is an unknown one.
    """
    at = 2
    while found := MARKER.search(data, at):
        marker, at = data[found.end() - 1], found.end()
        if marker == EOI:
            return
        if marker in ALONE:
            continue
        if marker not in FRAMES | TABLES | DROPPED | {SOS}:
            break
        (length,) = struct.unpack_from(">H", data, at)
        stop = at + length
        if length < 2 or stop > len(data):
            break
        if marker == SOS:
            if header:
                return
            end = END_OF_SCAN.search(data, stop)
            if end is None:
                break
            stop = end.start()
        yield Segment(marker, found.start(), stop)
        at = stop
    raise NotAnImage("the JPEG is damaged or incomplete")


def read(data: bytes) -> Header:
    """The header, from the segments before the first scan."""
    frame: Segment | None = None
    orientation = 1
    for segment in _segments(data, header=True):
        if segment.marker in FRAMES:
            if frame is not None:
                raise NotAnImage("the JPEG has two frames")
            if segment.stop - segment.body < FRAME_HEADER:
                raise NotAnImage("the JPEG is damaged: its size is missing")
            frame = segment
        elif segment.marker == APP1 and data.startswith(EXIF, segment.body):
            orientation = exif.orientation(data[segment.body + len(EXIF) : segment.stop])
    if frame is None:
        raise NotAnImage("the JPEG has no picture in it")
    bits, height, width, channels = struct.unpack_from(">BHHB", data, frame.body)
    return Header(
        "jpg", width, height, orientation, bits=bits, channels=channels, progressive=frame.marker in PROGRESSIVE
    )


def strip(data: bytes, orientation: int) -> Parts:
    """All that is needed for decoding; JFIF without its thumbnail, Adobe's colour transform, the ICC profile."""
    segments = list(_segments(data))
    if sum(segment.marker == SOS for segment in segments) > MAX_SCANS:
        raise NotAnImage("the JPEG has too many scans")
    view = memoryview(data)
    parts: Parts = [b"\xff\xd8"]
    jfif = next((s for s in segments if s.marker == APP0 and data.startswith(b"JFIF\0", s.body)), None)
    if jfif and jfif.stop - jfif.body >= 14:
        parts.append(b"\xff\xe0\0\x10" + data[jfif.body : jfif.body + 12] + b"\0\0")
    if orientation != 1:
        block = EXIF + exif.minimal(orientation)
        parts.append(struct.pack(">BBH", 0xFF, APP1, 2 + len(block)) + block)
    with_profile = _has_whole_profile(data, segments)
    for segment in segments:
        if segment.marker not in DROPPED or (with_profile and _is_profile(data, segment)):
            parts.append(view[segment.start : segment.stop])
        elif _is_adobe(data, segment):
            parts.append(b"\xff\xee\0\x0e" + data[segment.body : segment.body + 12])
    parts.append(b"\xff\xd9")
    return parts


def _is_adobe(data: bytes, segment: Segment) -> bool:
    return segment.marker == APP14 and data.startswith(b"Adobe", segment.body) and segment.stop - segment.body >= 12


def _is_profile(data: bytes, segment: Segment) -> bool:
    return segment.marker == APP2 and data.startswith(ICC, segment.body)


def _has_whole_profile(data: bytes, segments: list[Segment]) -> bool:
    """Whether an ICC profile is there in all its numbered chunks (ICC.1, annex B.4), and of a sane size."""
    chunks = [segment for segment in segments if _is_profile(data, segment)]
    numbers = [tuple(data[chunk.body + 12 : min(chunk.body + 14, chunk.stop)]) for chunk in chunks]
    wanted = [(n, len(chunks)) for n in range(1, len(chunks) + 1)]
    return sorted(numbers) == wanted and sum(chunk.stop - chunk.body for chunk in chunks) <= MAX_ICC
