"""A dump of a database as text: unpacked and decoded. What cannot be read is refused in words."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from imges.errors import ImgesError

HEAD = 64
"""Bytes that tell what a file is."""

UNPACKING: dict[bytes, Callable[[Path], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
"""How a file is opened that begins with these bytes."""

REFUSED = {
    b"\x28\xb5\x2f\xfd": "it is packed by zstd; unpack it with `zstd -d` first",
    b"PK\x03\x04": "it is a ZIP archive; unpack it with `unzip` first",
    b"7z\xbc\xaf": "it is a 7z archive; unpack it first",
    b"PGDMP": "it is a dump of PostgreSQL; this host needs one of MySQL or MariaDB",
    b"SQLite format 3": "it is a database of SQLite; this host needs a dump of MySQL or MariaDB",
    b"<": "it is XML; make the dump again as SQL, with mysqldump and without --xml",
    b"{": "it is JSON; make the dump again as SQL, with mysqldump",
    b"[": "it is JSON; make the dump again as SQL, with mysqldump",
}
"""Why a file is refused that begins with these bytes, before or after it is unpacked."""

DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, UnicodeDecodeError)


class NotUnderstood(ImgesError):
    """The dump or export of another host cannot be read. The message says why, and what to do."""


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Reads bytes that are no UTF-8 as MySQL's latin1, which is windows-1252. Its five empty places are controls."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    text = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in wrong)
    return text, error.end


codecs.register_error("imges-windows-1252", _as_windows_1252)


@contextmanager
def opened(file: Path) -> Generator[IO[str]]:
    """Opens a dump for reading: plain, .gz, .bz2 or .xz, in UTF-8, latin1 or UTF-16 (as Windows' PowerShell writes it).

    Raises `NotUnderstood` if it is something else or damaged, `OSError` if it cannot be read.
    """
    try:
        with _unpacked(file) as unpacked:
            head = unpacked.read(HEAD)
            unpacked.seek(0)
            _refuse(file, head.removeprefix(codecs.BOM_UTF8).lstrip())
            wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            encoding, errors = ("utf-16", "replace") if wide else ("utf-8-sig", "imges-windows-1252")
            yield io.TextIOWrapper(cast("IO[bytes]", unpacked), encoding, errors, newline="")
    except DAMAGED as error:
        raise NotUnderstood(f"{file.name} is damaged or not whole: {error}") from error


def _unpacked(file: Path) -> io.BufferedIOBase:
    with file.open("rb") as reading:
        head = reading.read(HEAD)
    _refuse(file, head)
    for beginning, unpack in UNPACKING.items():
        if head.startswith(beginning):
            return unpack(file)
    return file.open("rb")


def _refuse(file: Path, head: bytes) -> None:
    for beginning, reason in REFUSED.items():
        if head.startswith(beginning):
            raise NotUnderstood(f"{file.name} cannot be read: {reason}")
