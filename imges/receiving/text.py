"""Reads text sources: a URL, a data: URI, or bare base64."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from binascii import a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imges.errors import FileTooLarge, NoSource, NotBase64, UrlRefused
from imges.receiving import first_bytes
from imges.receiving.spool import BLOCK, Spooled

HEAD = 8192
"""Bytes at the beginning of a text that decide whether it is a URL or base64. Longer URLs are refused."""

_SCHEME = re.compile(rb"\s*([A-Za-z][A-Za-z0-9+.-]*):")
_DATA_URI = re.compile(rb"\s*data:[^,]{0,200}?;\s*base64\s*,", re.IGNORECASE)
_AS_QUOTED_PRINTABLE = bytes.maketrans(b"%=+", b"=% ")
_LITERAL_SIGN = bytes.maketrans(b"%", b"=")
_BYTES = {b"%02x" % byte: bytes((byte,)) for byte in range(256)}
_TO_STANDARD = bytes.maketrans(b"-_ ", b"+/+")
_WHITE_SPACE = b" \t\r\n\f\v"


def base64_text_limit(limit: int) -> int:
    """Returns how many bytes the text of a picture of *limit* bytes may have, with line breaks and form escapes."""
    return limit * 2 + HEAD


@dataclass(frozen=True, slots=True)
class Text:
    """A text source in a file on the spool. *form_encoded*: it still has the escapes of an urlencoded body."""

    path: Path
    form_encoded: bool = False

    def blocks(self) -> Iterator[bytes]:
        """Yields the base64 in blocks, with form escapes decoded. As in every form, `+` becomes a space.

        Raises `NotBase64` if there is an escape that no base64 has.
        """
        for piece in self._pieces():
            yield _form_decoded(piece) if self.form_encoded else piece

    def is_picture(self) -> bool:
        """Returns whether the bytes of a picture came in place of a text. Blocking."""
        with self.path.open("rb") as file:
            return first_bytes.is_picture(self._meant(file.read(3 * first_bytes.ENOUGH)))  # an escape has three bytes

    def _meant(self, piece: bytes) -> bytes:
        return unquoted(piece.replace(b"+", b" ")) if self.form_encoded else piece

    def _pieces(self) -> Iterator[bytes]:
        """Yields the text as it was sent, in blocks that cut no escape in two, unless the text ends with a half."""
        with self.path.open("rb") as file:
            rest = b""
            while block := file.read(BLOCK):
                block = rest + block
                cut = _unfinished_escape(block) if self.form_encoded else len(block)
                rest = block[cut:]
                yield block[:cut]
            if rest:
                yield rest

    def address(self) -> str | None:
        """Returns the URL that the text is; `None` if it is a data: URI or may be base64.

        Raises `NoSource` if the text is empty, `UrlRefused` if the URL is too long or not UTF-8.
        """
        with self.path.open("rb") as file:
            head = file.read(HEAD * 3 + 1)  # an escape has three bytes
            whole = not file.read(1)
        if self.form_encoded:
            head = unquoted(head.replace(b" ", b"").replace(b"+", b" "))
        if whole and not head.strip(_WHITE_SPACE):
            raise NoSource
        scheme = _SCHEME.match(head[:HEAD])
        if scheme is None or scheme[1].lower() == b"data":
            return None
        if not whole or len(head.strip(_WHITE_SPACE)) > HEAD:
            raise UrlRefused
        try:
            return head.decode().strip()
        except UnicodeDecodeError as error:
            raise UrlRefused from error

    def decode(self, path: Path, limit: int) -> Spooled:
        """Decodes the base64 into the file *path*, at most *limit* bytes. Blocking.

        White space is dropped. A space is ambiguous: form decoding turns a `+` that the client did not escape into a
        space. If the text contains any `+`, the client does escape them, and spaces are white space. If it contains
        none, spaces are read as `+`. Standard and URL-safe alphabets are accepted; padding may be missing.

        A picture that came as it is, in place of a text, is copied.

        Raises `NotBase64` if it is none, `FileTooLarge` beyond *limit*, `OSError`.
        """
        drop = _WHITE_SPACE if self._has_plus() else _WHITE_SPACE.replace(b" ", b"")
        size = 0
        with path.open("wb") as file:
            for decoded in map(self._meant, self._pieces()) if self.is_picture() else _decoded(self._payload(), drop):
                size += len(decoded)
                if size > limit:
                    raise FileTooLarge(limit)
                file.write(decoded)
        return Spooled(path, size)

    def _has_plus(self) -> bool:
        """Whether the text contains `+`, found without decoding it: in a form it is escaped."""
        signs = (b"%2B", b"%2b") if self.form_encoded else (b"+",)
        before = b""
        with self.path.open("rb") as file:
            while block := file.read(BLOCK):
                if any(sign in block or sign in before + block[:2] for sign in signs):
                    return True
                before = block[-2:]
        return False

    def _payload(self) -> Iterator[bytes]:
        """Yields the base64 without the head of a data: URI and without leading white space."""
        blocks = self.blocks()
        first = next(blocks, b"")
        if scheme := _SCHEME.match(first):
            head = _DATA_URI.match(first)
            if head is None or scheme[1].lower() != b"data":
                raise NotBase64
            first = first[head.end() :]
        yield first.lstrip(_WHITE_SPACE)
        yield from blocks


def _unfinished_escape(block: bytes) -> int:
    """Returns where an escape begins that the end of *block* cuts in two; else the length of *block*."""
    at = block.find(b"%", max(0, len(block) - 2))
    return len(block) if at < 0 else at


def unquoted(text: bytes) -> bytes:
    """Decodes `%XX` as `urllib.parse.unquote_to_bytes` does: an escape that is none stays as it is.

    The library raises an exception for each of those, which takes 1.3 s a MB.
    """
    first, *rest = text.split(b"%")
    decoded = [first]
    for piece in rest:
        byte = _BYTES.get(piece[:2].lower())
        decoded += (b"%", piece) if byte is None else (byte, piece[2:])
    return b"".join(decoded)


def _form_decoded(block: bytes) -> bytes:
    """Decodes the form escapes of base64 in one pass. Raises `NotBase64` if an escape is malformed or is `%25`.

    A form cannot contain raw white space. A client that sends it has wrapped its lines, so it is dropped.

    The C library's decoder of quoted-printable text does the work: with `%` and `=` exchanged, its escapes are a
    form's. It leaves malformed escapes longer than the two bytes by which each sound one becomes shorter.
    """
    if b"%25" in block:
        raise NotBase64
    text = block.translate(_AS_QUOTED_PRINTABLE, b" \r\n")
    escapes = text.count(b"=")
    decoded = a2b_qp(text) if escapes else text
    if len(decoded) != len(text) - 2 * escapes:
        raise NotBase64
    return decoded.translate(_LITERAL_SIGN)


def _decoded(blocks: Iterator[bytes], drop: bytes) -> Iterator[bytes]:
    """Decodes base64, in groups of four characters that may cross the borders of *blocks*. Raises `NotBase64`."""
    rest = b""
    for added in _without_padding(block.translate(None, drop) for block in blocks):
        text = rest + added.translate(_TO_STANDARD)
        whole = len(text) // 4 * 4
        rest = text[whole:]
        yield _decode(text[:whole])
    yield _decode(rest + b"=" * (-len(rest) % 4))


def _without_padding(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yields *blocks* up to the first `=`. Raises `NotBase64` if anything but `=` and spaces follows it."""
    padded = False
    for block in blocks:
        text, sign, behind = (b"", b"=", block) if padded else block.partition(b"=")
        padded = bool(sign)
        if behind.strip(b"= "):
            raise NotBase64
        yield text


def _decode(text: bytes) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Base64Error as error:
        raise NotBase64 from error
