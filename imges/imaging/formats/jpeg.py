"""JPEG (ITU-T T.81): markers and segments."""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from imges.errors import NotAnImage
from imges.imaging.formats import exif, removed
from imges.imaging.formats.parts import MAX_ICC, Filtered, Parts
from imges.imaging.types import Header

SOI, EOI = 0xD8, 0xD9
SOS = 0xDA
APP0, APP1, APP2, APP13, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15: the frame header, which says the size (T.81, table B.1)."""
FRAME_HEADER = 6
"""Fewest bytes of a frame header: precision, height, width, number of components."""
COEFFICIENTS = 64
"""Of each block of each component. A progressive scan brings some of them, or a further bit of them (T.81, G.1.1)."""
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
TABLES = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}
"""DHT, DAC, DQT, DNL, DRI: decoders need them, as they need frames and scans."""
DROPPED = frozenset(range(0xE0, 0xF0)) | {0xFE}
"""APP0 to APP15, and comments: most of what is known about a photographer stands there."""
ALONE = frozenset(range(0xD0, 0xD8)) | {0x01}
"""Markers without a segment: restarts, TEM."""

MARKER = re.compile(rb"\xff[^\x00\xff]")
END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""In entropy-coded data an FF is followed by 00, and restart markers belong to it (T.81, F.1.2.3)."""

EXIF = b"Exif\0\0"
EXIF_NAME = b"Exif\0"
"""What browsers recognise an EXIF segment by; they do not read the byte behind it."""
XMP = b"http://ns.adobe.com/"
ICC = b"ICC_PROFILE\0"
MAX_SEGMENTS = 5000
"""Most segments. Real files have up to some hundreds; one can be four bytes long, so a file can claim millions."""
MAX_FILL = 2**20
"""Most bytes between two segments: any number of FF may stand there."""
MAX_SCANS = 100
"""Most scans. Each is a pass over all of the picture and takes a few bytes of the file; libvips has the same bound."""

JFIF_HEADER, ADOBE_HEADER = 14, 12
"""Bytes of these segments before a thumbnail, and before anything else."""

DAMAGED = "the JPEG is damaged or incomplete"
CUT = "the JPEG is incomplete: it is cut within the picture"


class Segment(NamedTuple):
    """A segment from its marker at *start* to *stop*, with the entropy-coded data behind a scan's header."""

    marker: int
    start: int
    stop: int

    @property
    def body(self) -> int:
        """Where the payload begins, behind marker and length."""
        return self.start + 4


def _segments(data: bytes, *, header: bool = False) -> Iterator[Segment]:
    """All segments up to the end-of-image marker, and that too, or for a *header* up to the first scan.

    Behind a scan the file may end without that marker, or within a segment: browsers show it.
    Raises `NotAnImage` if there is no scan, or a marker is unknown: a decoder could take it for anything.
    """
    at, scanned = 2, False
    for _ in range(MAX_SEGMENTS):
        found = MARKER.search(data, at, at + MAX_FILL)
        marker = data[found.end() - 1] if found else None
        if scanned and marker == SOI:  # another picture begins
            return
        stop = found.end() if found else len(data) + 1
        if marker not in ALONE | {EOI, None}:
            stop = _end_of_segment(data, marker, stop)
        if marker == SOS:
            if header:
                return
            scanned, stop = True, _end_of_scan(data, stop)
        if found is None or stop > len(data):
            if scanned:
                return
            break
        if marker not in ALONE:
            yield Segment(marker or 0, found.start(), stop)
        if marker == EOI:
            return
        at = stop
    raise NotAnImage(DAMAGED)


def _end_of_segment(data: bytes, marker: int | None, at: int) -> int:
    """Where the segment ends whose length stands at *at*; the length counts its own two bytes.

    A segment that is dropped may say that it is shorter than that. It may also end behind the file.
    """
    if marker not in FRAMES | TABLES | DROPPED | {SOS}:
        raise NotAnImage(DAMAGED)
    length = int.from_bytes(data[at : at + 2]) if at + 2 <= len(data) else 2
    if length < 2 and marker not in DROPPED:
        raise NotAnImage(DAMAGED)
    return at + max(2, length)


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the entropy-coded data from *at* on ends: at the next marker that is not part of it, or with the file."""
    if at >= len(data):
        raise NotAnImage(DAMAGED)
    end = END_OF_SCAN.search(data, at)
    return end.start() if end else len(data)


def read(data: bytes) -> Header:
    """The header, from the segments before the first scan."""
    frame: Segment | None = None
    exif_block: bytes | None = None
    for segment in _segments(data, header=True):
        if segment.marker in FRAMES:
            _check_frame(segment, frame)
            frame = segment
        elif exif_block is None and _is_exif(data, segment):
            exif_block = data[segment.body + len(EXIF) : segment.stop]
    if frame is None:
        raise NotAnImage("the JPEG has no picture in it")
    bits, height, width, channels = struct.unpack_from(">BHHB", data, frame.body)
    orientation = exif.orientation(exif_block or b"")
    return Header(
        "jpg",
        width,
        height,
        orientation,
        bits=bits,
        channels=channels,
        progressive=frame.marker in PROGRESSIVE,
        samples=_samples(data[frame.body + FRAME_HEADER + 1 : frame.stop : 3]),
    )


def _samples(factors: bytes) -> float:
    """Values a pixel, of each component's factors across (upper 4 bits) and down (T.81, A.1.1)."""
    across, down = [factor >> 4 for factor in factors], [factor & 15 for factor in factors]
    most = max(across, default=0) * max(down, default=0)
    return sum(a * b for a, b in zip(across, down, strict=True)) / most if most else 3


def _is_exif(data: bytes, segment: Segment) -> bool:
    """Whether it is EXIF with something in it. Browsers obey the first such segment alone, also if it is broken."""
    named = segment.marker == APP1 and data.startswith(EXIF_NAME, segment.body)
    return named and segment.stop - segment.body > len(EXIF)


def _check_frame(frame: Segment, before: Segment | None) -> None:
    """Raises `NotAnImage` if *frame* is cut, or there was one *before*: decoders differ in which of two they take."""
    if before is not None:
        raise NotAnImage("the JPEG has two frames")
    if frame.stop - frame.body < FRAME_HEADER:
        raise NotAnImage("the JPEG is damaged: its size is missing")


def strip(data: bytes, orientation: int) -> Filtered:
    """What decoders need; JFIF without its thumbnail, Adobe's colour transform, the ICC profile, the orientation."""
    segments = list(_segments(data))
    end = segments[-1].stop
    mended = segments[-1].marker != EOI
    segments = segments if mended else segments[:-1]
    if sum(segment.marker == SOS for segment in segments) > MAX_SCANS:
        raise NotAnImage("the JPEG has too many scans")
    if mended and not _has_all_scans(data, segments):
        raise NotAnImage(CUT)
    parts: Parts = [b"\xff\xd8", *_jfif(data, segments)]
    if orientation != 1:
        block = EXIF + exif.minimal(orientation)
        parts.append(struct.pack(">BBH", 0xFF, APP1, 2 + len(block)) + block)
    profile = _profile_chunks(data, segments)
    for segment in segments:
        if segment.marker not in DROPPED or segment in profile:
            parts.append(memoryview(data)[segment.start : segment.stop])
        elif _is_adobe(data, segment):
            parts.append(b"\xff\xee\0\x0e" + data[segment.body : segment.body + ADOBE_HEADER])
    parts.append(b"\xff\xd9")
    gone = [_about(data, segment) for segment in segments if segment.marker in DROPPED and segment not in profile]
    behind = {removed.OTHER} if data[end:].strip(b"\0") else set[str]()
    return Filtered(parts, mended, frozenset(behind.union(*gone)))


def _about(data: bytes, segment: Segment) -> set[str]:
    """What is taken out with a segment that does not stay as it is."""
    body = data[segment.body : segment.stop]
    if segment.marker == APP1 and body.startswith(EXIF_NAME):
        return removed.in_exif(body[len(EXIF) :])
    if segment.marker == APP1 and body.startswith(XMP):
        return removed.in_text(body)
    if segment.marker == APP13:
        return removed.in_iptc(body)
    if segment.marker == APP0:
        small = body.startswith(b"JFXX") or len(body) > JFIF_HEADER
        return {removed.THUMBNAIL} if small else set()
    if segment.marker == APP14 and body.startswith(b"Adobe"):
        return set()
    return {removed.COMMENTS if segment.marker == COMMENT else removed.OTHER}


def _has_all_scans(data: bytes, segments: list[Segment]) -> bool:
    """Whether the scans bring each coefficient of each component down to its last bit.

    If the ending is missing, this tells whether the file was cut between two scans: it would be shown, but blurred.
    """
    frame = next(segment for segment in segments if segment.marker in FRAMES)
    progressive = frame.marker in PROGRESSIVE
    missing = dict.fromkeys(data[frame.body + FRAME_HEADER : frame.stop : 3], (1 << COEFFICIENTS) - 1)
    for scan in segments:
        if scan.marker != SOS:
            continue
        behind = scan.body + 1 + 2 * data[scan.body]
        first, last, precision = struct.unpack_from("BBB", data, behind)
        brought = (2 << last) - (1 << first) if progressive and last < COEFFICIENTS else -1
        for component in data[scan.body + 1 : behind : 2]:
            if not (progressive and precision & 15):  # else more bits follow
                missing[component] = missing.get(component, 0) & ~brought
    return not any(missing.values())


def _jfif(data: bytes, segments: list[Segment]) -> Parts:
    """The first JFIF header, which says the density of pixels, with a thumbnail of 0 by 0 (JFIF 1.02)."""
    for segment in segments:
        if segment.marker == APP0 and data.startswith(b"JFIF\0", segment.body):
            whole = segment.stop - segment.body >= JFIF_HEADER
            return [b"\xff\xe0\0\x10" + data[segment.body : segment.body + 12] + b"\0\0"] if whole else []
    return []


def _is_adobe(data: bytes, segment: Segment) -> bool:
    """Whether it is Adobe's segment, without which CMYK and RGB would be shown in wrong colours."""
    long_enough = segment.stop - segment.body >= ADOBE_HEADER
    return segment.marker == APP14 and data.startswith(b"Adobe", segment.body) and long_enough


def _is_profile(data: bytes, segment: Segment) -> bool:
    return segment.marker == APP2 and data.startswith(ICC, segment.body)


def _profile_chunks(data: bytes, segments: list[Segment]) -> list[Segment]:
    """The numbered chunks of the first ICC profile (ICC.1, annex B.4); none if it is not whole, or over `MAX_ICC`.

    Chunks behind it are passed over, as browsers do: a file whose profile stands twice is shown by the first one.
    """
    chunks = [segment for segment in segments if _is_profile(data, segment)]
    count = data[chunks[0].body + len(ICC) + 1] if chunks and chunks[0].stop > chunks[0].body + len(ICC) + 1 else 0
    first = chunks[:count]
    numbers = [tuple(data[chunk.body + 12 : min(chunk.body + 14, chunk.stop)]) for chunk in first]
    wanted = [(n, count) for n in range(1, count + 1)]
    whole = sorted(numbers) == wanted and sum(chunk.stop - chunk.body for chunk in first) <= MAX_ICC
    return first if whole else []
