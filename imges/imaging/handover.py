"""What a worker reports and hands over, checked without trusting it: a picture may have taken its decoder over."""

import errno
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from imges.errors import ProcessingFailed
from imges.imaging import worker
from imges.imaging.types import MEDIA_TYPES, Header, Rendition

BLOCK = 2**18
"""Bytes that are copied at a time."""
NO_FILE = {errno.EACCES, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.EPERM}
"""Errors of opening what a worker made instead of a file. Others are those of the disk and the system."""
LARGEST_NUMBER = 2**40
"""No size, side or number of frames is larger."""


@contextmanager
def honest() -> Generator[None]:
    """Raises `ProcessingFailed` if a report has other parts than an honest one, or other types in them."""
    try:
        yield
    except (TypeError, ValueError, AttributeError) as error:
        raise ProcessingFailed from error


def number(value: object, least: int = 0) -> int:
    """Returns *value*. Raises `ValueError` if it is no whole number, less than *least*, or beyond reason."""
    if type(value) is not int or not least <= value <= LARGEST_NUMBER:
        raise ValueError("a worker reported what is no number")
    return value


def known_format(value: object) -> str:
    """Returns *value*. Raises `ValueError` if it is none of the formats that we know."""
    if not isinstance(value, str) or value not in MEDIA_TYPES:
        raise ValueError("a worker reported an unknown format")
    return value


def checked_header(found: Header) -> Header:
    """Returns *found*. Raises `ProcessingFailed` if it is not what an honest worker reports."""
    with honest():
        known_format(found.format)
        for value in (found.width, found.height, found.orientation, found.frames, found.bits):
            number(value, 1)
        number(found.file_size)
        if found.orientation > 8 or found.channels not in {None, 1, 3, 4}:
            raise ValueError("a worker reported an impossible picture")
        if type(found.samples) not in {int, float} or not 0 <= found.samples <= 4:
            raise ValueError("a worker reported an impossible picture")
        for flag in (found.progressive, found.palette, found.is_masked):
            if type(flag) is not bool:
                raise ValueError("a worker reported what is no truth value")
        return found


def copied(made: Rendition, work: Path, folder: Path) -> Rendition:
    """Copies the file of *made* from *work* to *folder*; returns what it is there.

    Raises `ProcessingFailed` if it is no plain file with one name and of the reported size, `ValueError` if the report
    is not honest, `SpoolUnavailable`, `DiskReserve`.
    """
    name = Path(made.path).name
    if not re.fullmatch(r"(original|thumb|medium)\.[a-z]+", name) or Path(made.path) != work / name:
        raise ProcessingFailed
    with worker.system_errors(), _plain(work / name, made.size) as source:
        target = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            return _digested(replace(made, path=folder / name), source, lambda block: _write(target, block))
        finally:
            os.close(target)


def measured(made: Rendition, path: Path) -> Rendition:
    """Returns *made* for the server's own file *path*, whose size the caller has compared. Raises as `copied` does."""
    with worker.system_errors():
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _digested(replace(made, path=path), source, lambda _: None)
        finally:
            os.close(source)


@contextmanager
def _plain(path: Path, size: int) -> Generator[int]:
    """An open file of the worker's. Neither a link nor a pipe: those would lead elsewhere, or block.

    Raises `ProcessingFailed` for what is not a file, `OSError` for errors of the disk and the system.
    """
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in NO_FILE:
            raise ProcessingFailed from error
        raise
    try:
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size != size:
            raise ProcessingFailed
        yield source
    finally:
        os.close(source)


def _write(target: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(target, rest) :]


def _digested(made: Rendition, source: int, take: Callable[[bytes], None]) -> Rendition:
    """Reads *source* to its end, gives each block to *take*, and returns *made* with the digests of what was read."""
    md5, crc32, size = hashlib.md5(usedforsecurity=False), 0, 0
    while block := os.read(source, BLOCK):
        md5.update(block)
        crc32, size = zlib.crc32(block, crc32), size + len(block)
        if size > made.size:
            raise ProcessingFailed  # it grows while it is read
        take(block)
    if size != made.size:
        raise ProcessingFailed
    return Rendition(
        made.path,
        size,
        md5.hexdigest(),
        known_format(made.format),
        number(made.width, 1),
        number(made.height, 1),
        number(made.bits, 1),
        made.channels if made.channels in {None, 1, 3, 4} else None,
        number(made.frames, 1),
        crc32,
    )
