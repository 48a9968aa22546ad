"""Bodies that a server compressed although it was asked not to."""

import zlib
from collections.abc import Iterator

STEP = 2**20
"""Bytes that one step of inflating may give. So a bomb is noticed long before it is in memory."""

GZIP_OR_ZLIB = 47
RAW = -15
"""`wbits` of zlib."""

CODINGS = {"gzip", "x-gzip", "deflate"}


class Inflating:
    """Inflates a body of gzip, or of deflate with or without zlib's header: servers send both under that name."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(GZIP_OR_ZLIB)
        self._head = b""
        """What came before the header could be judged: two bytes decide."""

    def chunks(self, chunk: bytes) -> Iterator[bytes]:
        """Yields what *chunk* inflates to, at most `STEP` bytes at a time. Raises `zlib.error` if it is malformed."""
        if len(self._head) < 2:
            chunk = self._head = self._head + chunk
            if len(chunk) < 2:
                return
            if chunk[:2] != b"\x1f\x8b" and (chunk[0] & 15 != 8 or int.from_bytes(chunk[:2], "big") % 31):
                self._inflater = zlib.decompressobj(RAW)
        inflated = self._inflater.decompress(chunk, STEP)
        while inflated:
            yield inflated
            inflated = self._inflater.decompress(self._inflater.unconsumed_tail, STEP)

    def check_ended(self) -> None:
        """Raises `zlib.error` if the body ended before its data did."""
        if not self._inflater.eof:
            raise zlib.error
