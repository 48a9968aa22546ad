"""Whether a JPEG without an ending has all its pixels: only decoding tells."""

import hashlib
from contextlib import suppress
from io import BytesIO

from PIL import Image

from imges.errors import NotAnImage
from imges.imaging.pillow import decoding, size_of
from imges.imaging.types import Header

EOI = b"\xff\xd9"
ENDINGS = (bytes(64), b"\xaa" * 64)
"""What may stand behind the pixels of a JPEG, so that it is seen whether they are all there."""
IN_FULL = 2 * 10**6
"""Most pixels of a JPEG without an ending that is decoded in full to see that: the last bytes may be finest details."""
STRIP = 64
"""Rows of a picture that are copied at once."""


def is_cut(jpeg: bytes, header: Header) -> bool:
    """Whether pixels are missing in a *jpeg* to which our filter wrote the ending.

    Decoders read more than the last pixels need. So what stands behind the pixels is not seen, but where pixels are
    missing it is taken for them, and two different endings show two different pictures. A large one is decoded at half
    its size, so that it takes little memory.
    """
    pixels = jpeg[: -len(EOI)].rstrip(b"\xff")  # half an ending
    size = size_of(header) if header.width * header.height <= IN_FULL else (header.width // 2, header.height // 2)
    seen: list[bytes] = []
    for ending in ENDINGS:
        with suppress(NotAnImage), decoding(), Image.open(BytesIO(pixels + ending + EOI), formats=["JPEG"]) as image:
            image.draft(None, size)
            seen.append(_digest(image))
    return len(seen) < len(ENDINGS) or seen[0] != seen[1]


def _digest(image: Image.Image) -> bytes:
    """A digest of the pixels, which are copied in strips."""
    digest = hashlib.blake2b()
    for top in range(0, image.height, STRIP):
        digest.update(image.crop((0, top, image.width, min(image.height, top + STRIP))).tobytes())
    return digest.digest()
