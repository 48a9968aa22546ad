"""The file that the filter of AVIF writes: zeros, into which the wanted bytes are copied.

Offsets in the file count from its start, so nothing may move. A box that goes leaves a box of the same size behind.
"""

from imges.errors import NotAnImage
from imges.imaging.formats.heif_boxes import INCOMPLETE, Box

NOTHING = b"free"
"""The type of a box whose content readers pass over (ISO/IEC 14496-12, 8.1.2)."""


class Copy:
    """The filtered file so far: as long as *data*, and zero wherever nothing was copied."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.clean = bytearray(len(data))

    def range(self, start: int, stop: int) -> None:
        """Copy the bytes from *start* to *stop*."""
        self.clean[start:stop] = memoryview(self.data)[start:stop]

    def blank(self, start: int, stop: int) -> None:
        """Make the bytes from *start* to *stop* zero again."""
        self.clean[start:stop] = bytes(stop - start)

    def head(self, box: Box) -> None:
        """Copy the type and size of *box*, not what is in it."""
        self.range(box.start, box.body)

    def keep(self, box: Box, size: int) -> None:
        """Copy *box* and the first *size* bytes in it. Raises `NotAnImage` if it has fewer."""
        if box.body + size > box.stop:
            raise NotAnImage(INCOMPLETE)
        self.range(box.start, box.body + size)

    def drop(self, box: Box) -> None:
        """Write a box of the same size, with nothing in it, to the place of *box*."""
        self.head(box)
        self.clean[box.start + 4 : box.start + 8] = NOTHING
