"""The client with which `imges check --public` uses the site as somebody far away would."""

import asyncio
import json
import os
import struct
import zlib
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

PATIENCE = 60.0
"""Seconds for each request; the largest upload takes its time."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> dict[str, Any] | None:
        """Returns the body if it is a JSON object, else `None`."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return cast("dict[str, Any]", found) if isinstance(found, dict) else None


class PublicSite:
    """The site at its public address, *base*. Redirects are not followed: the probes judge them."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self._session = session

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Asks for the *path* of the site, or for another address.

        Raises `aiohttp.ClientError` or `TimeoutError` if the request fails.
        """
        url = path if path.startswith("http") else self.base + path
        async with self._session.request(method, url, allow_redirects=False, **options) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def delete(self, image: dict[str, Any]) -> Answer:
        """Deletes the picture of an upload's answer, whatever name its addresses have."""
        return await self.ask("POST", path_of(image["delete_url"]), headers={"Accept": "application/json"})

    async def own_address(self) -> str:
        """Returns the address that our connections to the site come from. Raises `OSError` if it cannot connect."""
        url = URL(self.base)
        _, writer = await asyncio.open_connection(url.host, url.port)
        try:
            return writer.get_extra_info("sockname")[0]
        finally:
            writer.close()
            await writer.wait_closed()

    async def upload(self, key: str | None, content: bytes | BinaryIO, **headers: str) -> Answer:
        """Uploads a picture. It expires in ten minutes, in case the check cannot delete it.

        Without *key* one of *headers* holds the API key.
        """
        form = _form(content)
        if key is not None:
            form.add_field("key", key)
        return await self.ask("POST", "/api/1/upload", data=form, headers=headers)

    async def send_form(self, content: bytes, *, origin: str | None = None) -> Answer:
        """Sends the form of the upload page as a browser does. Over plain http browsers send no `Sec-Fetch-Site`.

        *origin* is that of another site's page.
        """
        headers = {"Origin": origin or str(URL(self.base).origin()), "Accept": "application/json"}
        return await self.ask("POST", "/", data=_form(content), headers=headers)


def path_of(address: str) -> str:
    """Returns the path of an address that the server has made; its scheme and name may be wrong."""
    return URL(address).raw_path


def _form(content: bytes | BinaryIO) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("expiration", "PT10M")
    form.add_field("source", content, filename="imges-check.png", content_type="image/png")
    return form


@asynccontextmanager
async def open_site(base: str) -> AsyncGenerator[PublicSite]:
    """A proxy of the environment is not used: the clients of the site do not use it either."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        yield PublicSite(base, session)


def new_picture() -> bytes:
    """Returns a PNG of 16 by 16 random pixels. It must be new: the server may answer a known one with the old row."""
    rows = b"".join(b"\0" + os.urandom(48) for _ in range(16))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@contextmanager
def zeros(size: int) -> Generator[BinaryIO]:
    """Opens a file of *size* zero bytes, which take no room. As most clients do, it is sent with its length."""
    with TemporaryFile() as file:
        file.truncate(size)
        yield file
