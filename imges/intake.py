"""Sources to spool: whatever a client sends, file, base64 or address, becomes one file on the spool disk.

No picture but a small one stands in memory here: bytes go to the disk in blocks.
"""

import asyncio
import errno
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote_to_bytes

from imges.errors import DiskReserve, FileTooLarge, NoSource, NotBase64, SpoolUnavailable, UrlRefused
from imges.fetch import Fetcher

BLOCK = 2**20
"""Bytes that are gathered before a thread writes them: one hop serves nearly all screenshots."""
SMALLEST_BLOCK = 16 * 1024
SMALL = 64 * 1024
"""Bytes of a file that may wait in memory until it is taken: changing threads only to write it costs more than that."""
TOGETHER = 16 * 2**20
"""Bytes that all uploads of the process gather: the more there are, the smaller their blocks."""

KEPT = 16
"""Folders of uploads that are used again."""

APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC

HEAD = 8192
"""Bytes of a text that are looked at to tell an address from base64; longer addresses are refused."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A received file of *size* bytes. A small one may be *content* as yet, which whoever takes it writes to *path*."""

    path: Path
    size: int
    content: bytes | None = None

    def digest(self) -> str:
        """The hex MD5 of what came, before anything was done to it. Blocking. Raises: SpoolUnavailable."""
        if self.content is not None:
            return hashlib.md5(self.content, usedforsecurity=False).hexdigest()
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError as error:
            raise SpoolUnavailable from error


def translated(error: OSError) -> DiskReserve | SpoolUnavailable:
    """What a failing spool disk means to a client."""
    return DiskReserve() if error.errno in {errno.ENOSPC, errno.EDQUOT} else SpoolUnavailable()


class Spool:
    """The folder of uploads on their way; each has a folder of its own below it, emptied when the upload has ended.

    Some of these folders are there from the start and used again and again, for to make one costs more than all files
    of an icon; the more that many uploads at once need are taken away again.
    """

    uploads = 0
    """How many are on their way in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._free: list[Path] = []
        self._ended: list[Path] = []
        self._emptying: asyncio.Task[None] | None = None

    @classmethod
    def block(cls) -> int:
        """Bytes that one upload may gather in memory."""
        return max(SMALLEST_BLOCK, min(BLOCK, TOGETHER // max(1, cls.uploads)))

    @asynccontextmanager
    async def prepared(self) -> AsyncGenerator[Self]:
        """The spool, without what a killed process left in it. Only for who holds the data folder."""
        self._free = await asyncio.to_thread(self._prepare)
        try:
            yield self
        finally:
            if self._emptying:
                await self._emptying
            await asyncio.to_thread(_remove, self._free)

    def _prepare(self) -> list[Path]:
        shutil.rmtree(self._folder, ignore_errors=True)
        return [_made_below(self._folder) for _ in range(KEPT)]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Path]:
        """A folder for one upload. Raises: DiskReserve, SpoolUnavailable."""
        folder = self._free.pop() if self._free else await self._another()
        Spool.uploads += 1
        try:
            yield folder
        finally:
            Spool.uploads -= 1
            self._ended.append(folder)
            if self._emptying is None:  # else it goes on until nothing is left
                self._emptying = asyncio.create_task(self._empty())

    async def check(self) -> None:
        """Whether files can be written right now. Raises: DiskReserve, SpoolUnavailable."""
        try:
            await asyncio.to_thread(_try_out, self._folder)
        except OSError as error:
            raise translated(error) from error

    async def _another(self) -> Path:
        try:
            return await asyncio.to_thread(_made_below, self._folder)
        except OSError as error:
            raise translated(error) from error

    async def _empty(self) -> None:
        """Empty the folders of ended uploads, as many at a time as there are: nobody waits for it.

        Where one of them is gone, somebody took away what is in the spool: the free ones are not relied on either.
        """
        while self._ended:
            ended, self._ended = self._ended, []
            kept = await asyncio.to_thread(_emptied, ended, keep=KEPT - len(self._free))
            if kept is None:
                gone, self._free = self._free, []
                await asyncio.to_thread(_remove, gone)
            else:
                self._free += kept
        self._emptying = None


def _try_out(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(b"imges")


def _made_below(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="upload-", dir=folder))


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _emptied(folders: list[Path], *, keep: int) -> list[Path] | None:
    """Take the files of *folders* away. Up to *keep* folders that can be used again; the others are gone. `None`: one
    was gone before.

    Each gets a new name first, so that a thread of a request that was broken off cannot write into another's.
    """
    kept: list[Path] = []
    lost = False
    for old in folders:
        new = old.with_name(f"upload-{secrets.token_hex(8)}")
        try:
            old.rename(new)
            for name in os.listdir(new):  # noqa: PTH208 - names are enough, and it is the hot path
                os.unlink(f"{new}/{name}")  # noqa: PTH108
            if len(kept) < keep:
                kept.append(new)
            else:
                new.rmdir()
        except FileNotFoundError:
            lost = True
        except OSError:
            _remove([new, old])
    if lost:
        _remove([*folders, *kept])
    return None if lost else kept


class SpoolWriter:
    """Writes one file of at most *limit* bytes; `FileTooLarge(told)` beyond it."""

    def __init__(self, path: Path, limit: int, *, told: int | None = None) -> None:
        self._path = path
        self._limit = limit
        self._told = limit if told is None else told
        self._blocks: list[bytes] = []
        self._waiting = 0
        self._written = 0

    @property
    def size(self) -> int:
        return self._written + self._waiting

    async def write(self, chunk: bytes) -> None:
        """Raises: FileTooLarge, DiskReserve, SpoolUnavailable."""
        if self.size + len(chunk) > self._limit:
            raise FileTooLarge(self._told)
        self._blocks.append(chunk)
        self._waiting += len(chunk)
        if self._waiting >= Spool.block():
            await self._flush()

    async def finish(self, *, may_wait: bool = False) -> Spooled:
        """Everything is in the file (not yet synced: nothing has been promised), or with *may_wait* is the content."""
        if may_wait and not self._written and self._waiting <= SMALL:
            content = b"".join(self._blocks)
            return Spooled(self._path, len(content), content)
        await self._flush()
        return Spooled(self._path, self._written)

    async def _flush(self) -> None:
        block, self._blocks, self._waiting = b"".join(self._blocks), [], 0
        try:
            await asyncio.to_thread(self._append, block)
        except OSError as error:
            raise translated(error) from error

    def _append(self, block: bytes) -> None:
        file = os.open(self._path, APPENDING, 0o600)  # a file object would ask the system four questions more
        try:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)
        self._written += len(block)


async def spool_chunks(chunks: AsyncIterable[bytes], path: Path, limit: int) -> Spooled:
    """All of *chunks* in the file *path*. Raises what `SpoolWriter` and *chunks* raise."""
    writer = SpoolWriter(path, limit)
    async for chunk in chunks:
        await writer.write(chunk)
    return await writer.finish()


# Text sources: an address, a data: URI, or bare base64.

_SCHEME = re.compile(rb"\s*([A-Za-z][A-Za-z0-9+.-]*):")
_DATA_URI = re.compile(rb"\s*data:[^,]{0,200}?;\s*base64\s*,", re.IGNORECASE)
_FORM_ESCAPES = {
    escape: char
    for char in (b"+", b"/", b"=", b"\r", b"\n", b" ")
    for escape in (b"%%%02X" % char[0], b"%%%02x" % char[0])
}
_TO_STANDARD = bytes.maketrans(b"-_ ", b"+/+")
_WHITE_SPACE = b" \t\r\n\f\v"


def base64_text_limit(limit: int) -> int:
    """Bytes that the text of a picture of *limit* bytes may take: line breaks and form escapes included."""
    return limit * 2 + HEAD


@dataclass(frozen=True, slots=True)
class Text:
    """A text source as it stands on the spool; *form_encoded* where it still has the escapes of an urlencoded body."""

    path: Path
    form_encoded: bool = False

    def blocks(self) -> Iterator[bytes]:
        """The text in blocks, escapes decoded. A `+` of a form is a space here, as form decoding has it."""
        with self.path.open("rb") as file:
            rest = b""
            while block := file.read(BLOCK):
                block = rest + block
                cut = _unfinished_escape(block) if self.form_encoded else len(block)
                rest = block[cut:]
                yield _form_decoded(block[:cut]) if self.form_encoded else block
            if rest:
                yield rest

    def address(self) -> str | None:
        """The address that the text is; `None` for a data: URI or what may be base64.

        Raises: NoSource for an empty text, UrlRefused for an address that is too long or not text.
        """
        head = next(self.blocks(), b"")
        if not head.strip(_WHITE_SPACE):
            raise NoSource
        scheme = _SCHEME.match(head[:HEAD])
        if scheme is None or scheme[1].lower() == b"data":
            return None
        if len(head.strip(_WHITE_SPACE)) > HEAD:
            raise UrlRefused
        try:
            return head.decode().strip()
        except UnicodeDecodeError as error:
            raise UrlRefused from error

    def decode(self, path: Path, limit: int) -> Spooled:
        """The picture that the base64 stands for, in the file *path*. Blocking.

        White space is dropped. A space is ambiguous: a `+` that form decoding turned into one, or white space. Where
        any `+` came through, the client encodes them, so spaces are white space; else they stand for `+`.
        Standard and URL-safe alphabets are taken, padding may be missing.

        Raises: NotBase64, FileTooLarge, OSError.
        """
        drop = _WHITE_SPACE if any(b"+" in block for block in self.blocks()) else _WHITE_SPACE.replace(b" ", b"")
        size = 0
        with path.open("wb") as file:
            for decoded in _decoded(self._payload(), drop):
                size += len(decoded)
                if size > limit:
                    raise FileTooLarge(limit)
                file.write(decoded)
        return Spooled(path, size)

    def _payload(self) -> Iterator[bytes]:
        """The base64 alone: without the head of a data: URI and the white space around."""
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
    """Where an escape begins that the end of *block* cuts; else its length."""
    at = block.find(b"%", max(0, len(block) - 2))
    return len(block) if at < 0 else at


def _form_decoded(block: bytes) -> bytes:
    """As `unquote_plus`, but quick for base64, where nearly all escapes are of a handful of characters.

    A space as such cannot stand in a form: whoever sends one wraps lines, so it goes.
    """
    block = block.replace(b" ", b"").replace(b"+", b" ")
    for escape, char in _FORM_ESCAPES.items():
        block = block.replace(escape, char)
    return unquote_to_bytes(block) if b"%" in block else block


def _decoded(blocks: Iterator[bytes], drop: bytes) -> Iterator[bytes]:
    """Base64 to bytes, four characters at a time across the borders of *blocks*. Raises: NotBase64."""
    rest = b""
    for added in _without_padding(block.translate(None, drop) for block in blocks):
        text = rest + added.translate(_TO_STANDARD)
        whole = len(text) // 4 * 4
        rest = text[whole:]
        yield _decode(text[:whole])
    yield _decode(rest + b"=" * (-len(rest) % 4))


def _without_padding(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """*blocks* up to the first `=`; behind it only more of them and spaces may come. Raises: NotBase64."""
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


Source = Literal["file", "base64", "url"]


@dataclass(frozen=True, slots=True)
class Received:
    """A picture on the spool, the file name that came with it (`""` where none did), and how it was sent."""

    file: Spooled
    name: str
    source: Source


class Intake:
    """Turns text sources into files; *limit* is `images.max_size` in bytes."""

    def __init__(self, spool: Spool, fetcher: Fetcher, limit: int) -> None:
        self.spool = spool
        self.limit = limit
        self._fetcher = fetcher

    async def from_text(self, text: Text, folder: Path) -> Received:
        """The picture that *text* names or holds, below *folder*.

        Raises: NoSource, NotBase64, FileTooLarge, UrlRefused, FetchFailed, FetchTimeout, TooManyRequests,
        DiskReserve, SpoolUnavailable.
        """
        try:
            if address := await asyncio.to_thread(text.address):
                return await self.from_address(address, folder)
            return Received(await asyncio.to_thread(text.decode, folder / "received", self.limit), "", "base64")
        except OSError as error:
            raise translated(error) from error

    async def from_address(self, address: str, folder: Path) -> Received:
        """The picture at *address*, fetched under guard."""
        async with self._fetcher.fetch(address, limit=self.limit) as fetched:
            return Received(await spool_chunks(fetched.chunks(), folder / "received", self.limit), fetched.name, "url")
