"""Turns base64 and URLs into files on the spool."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imges.errors import NotAnImage
from imges.receiving import first_bytes
from imges.receiving.fetch import Fetcher
from imges.receiving.spool import Spool, Spooled, spool_chunks, translated
from imges.receiving.text import Text

Source = Literal["file", "base64", "url"]


@dataclass(frozen=True, slots=True)
class Received:
    """A picture on the spool. *name* is the file name that came with it (`""` if none did)."""

    file: Spooled
    name: str
    source: Source
    address: str | None = None
    """That of an upload by URL."""

    def content_digest(self) -> str:
        """Returns the MD5, in hex, of what the client sent: the address, or the bytes of the picture. Blocking.

        Servers may give other bytes at each fetch. Raises `SpoolUnavailable` if the file cannot be read.
        """
        if self.address is None:
            return self.file.digest()
        return hashlib.md5(self.address.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


class Intake:
    """Turns text sources into files of at most *limit* bytes (`images.max_size`)."""

    def __init__(self, spool: Spool, fetcher: Fetcher, limit: int) -> None:
        self.spool = spool
        self.limit = limit
        self._fetcher = fetcher

    async def from_text(self, text: Text, folder: Path) -> Received:
        """Stores the picture that *text* names (a URL) or contains (base64) in *folder*.

        Raises what `from_address` raises, `NoSource` if the text is empty, `NotBase64` if it is neither.
        """
        try:
            if address := await asyncio.to_thread(text.address):
                return await self.from_address(address, folder)
            return Received(await asyncio.to_thread(text.decode, folder / "received", self.limit), "", "base64")
        except OSError as error:
            raise translated(error) from error

    async def from_address(self, address: str, folder: Path) -> Received:
        """Fetches the picture at the URL *address* into *folder*.

        Raises `UrlRefused`, `FetchFailed`, `FetchTimeout`, `TooManyRequests` (see `Fetcher.fetch`), `FileTooLarge`,
        `NotAnImage` if the first bytes are known to be something else, `DiskReserve` if the spool's disk is full,
        `SpoolUnavailable`.
        """
        async with self._fetcher.fetch(address, limit=self.limit) as fetched:
            chunks = fetched.chunks()
            first = await anext(chunks, b"")
            if (what := first_bytes.other_than_picture(first)) is not None:
                raise NotAnImage(f"the address gives {what} and no picture; send the address of the picture itself")
            spooled = await spool_chunks(_with(first, chunks), folder / "received", self.limit)
            return Received(spooled, fetched.name, "url", address)


async def _with(first: bytes, further: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for chunk in further:
        yield chunk
