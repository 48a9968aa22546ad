"""The filter of metadata on any bytes: it refuses them, or makes a file that is no larger, stays as it is when it is
filtered again, and shows the same pixels. A target of `libfuzzer`.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Iterable

from PIL import Image, ImageSequence

from imges.errors import FormatRefused, NotAnImage
from imges.imaging import formats, header
from imges.imaging.types import Header
from tests.crash.fuzz import corpus
from tests.imaging import samples

LONGEST = 16 * 1024
ADDED = 80
"""Bytes that a filtered file may be longer: a block that tells the orientation, others as they should be."""
SHOWN = 64 * 64
"""Pixels up to which pictures are decoded here."""
PNG = b"\x89PNG\r\n\x1a\n"


def seeds() -> Iterable[bytes]:
    for kind in samples.WEB:
        for orientation in (1, 6):
            yield samples.full_of_metadata(kind, orientation)
    yield from corpus()


def mended(data: bytes) -> bytes:
    """A PNG's checksums made right."""
    if not data.startswith(PNG):
        return data
    parts, at = [PNG], len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if length > len(data) - at - 12:
            break
        body = data[at + 4 : at + 8 + length]
        parts += [data[at : at + 4], body, struct.pack(">I", zlib.crc32(body))]
        at += 12 + length
    return b"".join([*parts, data[at:]])


def one(data: bytes) -> None:
    """Raises: AssertionError where one of the promises does not hold."""
    try:
        found = formats.read(header.recognise(data), data)
        clean = b"".join(formats.strip(data, found)) if found.format not in formats.CONVERTED else None
    except (NotAnImage, FormatRefused):
        return
    if clean is None:
        return
    assert len(clean) <= len(data) + ADDED, f"{len(data)} bytes became {len(clean)}"
    before, after = _pixels(data, found), _pixels(clean, found)
    if before is not None and after is None:  # what is damaged is refused, if not by us then by the decoder
        assert found.format in {"avif", "webp"}, "it shows nothing any more"
    elif before is not None and found.format != "webp":  # libwebp reads on where a chunk ends too early
        assert after == before, "it shows something else"
    if found.format == "avif":  # it says itself where its pieces are, and may be wrong
        return
    assert header.recognise(clean) == found.format
    again = formats.read(found.format, clean)
    assert again == found, f"{found} became {again}"
    assert b"".join(formats.strip(clean, again)) == clean, "filtered again it is another"


def _pixels(data: bytes, found: Header) -> list[bytes] | None:
    """What is seen of a small picture; `None` where it does not decode."""
    if found.width * found.height > SHOWN or found.frames > 8:
        return None
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")
            return [frame.convert("RGBA").tobytes() for frame in ImageSequence.Iterator(image)]
    except Exception:  # noqa: BLE001 - decoders raise anything
        return None
