"""A target of `libfuzzer`: the metadata filter on any bytes.

The filter refuses them, or makes a file that is no larger, does not change when it is filtered again, and shows the
same pixels.
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
"""Bytes by which a filtered file may be longer: for a block with the orientation, and corrected others."""
SHOWN = 64 * 64
"""Pixels up to which pictures are decoded here."""
PNG = b"\x89PNG\r\n\x1a\n"


def seeds() -> Iterable[bytes]:
    for kind in samples.WEB:
        for orientation in (1, 6):
            yield samples.full_of_metadata(kind, orientation)
    yield from corpus()


def mended(data: bytes) -> bytes:
    """Returns a PNG with correct checksums."""
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
    """Raises `AssertionError` if one of the promises is broken."""
    try:
        found = formats.read(header.recognise(data), data)
        clean = b"".join(formats.strip(data, found).parts) if found.format not in formats.CONVERTED else None
    except (NotAnImage, FormatRefused):
        return
    if clean is None:
        return
    assert len(clean) <= len(data) + ADDED, f"{len(data)} bytes became {len(clean)}"
    before, after = _pixels(data, found), _pixels(clean, found)
    if before is not None and after is None:  # a damaged file is refused, if not by us then by the decoder
        # Pillow looks for a GIF's pixels behind the end of their blocks too, where the filter keeps nothing.
        assert found.format in {"avif", "gif", "webp"}, "it shows nothing any more"
    elif before is not None and found.format != "webp":  # libwebp continues after a chunk that ends too early
        assert after == before, "it shows something else"
    if found.format == "avif":  # the file itself says where its pieces are, and may be wrong
        return
    assert header.recognise(clean) == found.format
    again = formats.read(found.format, clean)
    assert again == found, f"{found} became {again}"
    assert b"".join(formats.strip(clean, again).parts) == clean, "filtered again it is another"


def _pixels(data: bytes, found: Header) -> list[bytes] | None:
    """Returns what a viewer sees of a small picture; `None` if it cannot be decoded."""
    if found.width * found.height > SHOWN or found.frames > 8:
        return None
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")
            return [frame.convert("RGBA").tobytes() for frame in ImageSequence.Iterator(image)]
    except Exception:  # noqa: BLE001 - decoders raise anything
        return None
