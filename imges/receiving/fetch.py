"""Fetches a picture from a URL that a stranger has named.

Two attackers have to be stopped.

The stranger names a URL that leads inside (server-side request forgery): to this machine, to the network behind it, to
the metadata service of a cloud. So each IP address passes `Guard` when a socket is made for it. Whatever a name
resolves to at that moment (DNS rebinding) and wherever a redirect leads, no connection goes past the guard. Errors
reveal neither IP addresses nor what a server answered: a stranger could scan the network behind us with them.

The remote server answers slowly, endlessly or with a bomb. So one deadline covers name resolution, all redirects and
the body; the size is limited, of what is inflated too; and at most `AT_ONCE` fetches run.
"""

import asyncio
import math
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Self

import aiohttp
import certifi
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from imges import __version__
from imges.errors import FetchFailed, FetchTimeout, FileTooLarge, TooManyRequests, UrlRefused
from imges.receiving.guard import GetAddrInfo, Guard, Resolver
from imges.receiving.inflating import CODINGS, Inflating
from imges.receiving.urls import file_name, parse, redirected
from imges.settings import Urls

AT_ONCE = 8
"""Fetches that may run at the same time. A further one is refused with `TooManyRequests`."""
HOPS = 5
"""Redirects that a fetch follows."""
LONGEST_HEADER = 64 * 1024
"""Bytes of one header. Shops and news sites send policies of 8 to 34 KB."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Fetched:
    """An answer whose body is still to be read. *name* is the file name in its URL."""

    def __init__(self, name: str, response: aiohttp.ClientResponse, limit: int, deadline: float) -> None:
        self.name = name
        self._response = response
        self._limit = limit
        self._deadline = deadline
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        self._inflating = Inflating() if coding in CODINGS else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yields the body.

        gzip and deflate are inflated; a coding that we do not know is taken for a name of the type, which some servers
        write there.

        Raises `FileTooLarge` beyond the limit, `FetchFailed` if the connection breaks, `FetchTimeout` at the deadline.
        """
        size = 0
        while chunk := await self._read():
            with _translated():
                for each in self._inflating.chunks(chunk) if self._inflating else (chunk,):
                    size += len(each)
                    if size > self._limit:
                        raise FileTooLarge(self._limit)
                    yield each
        if self._inflating:
            with _translated():
                self._inflating.check_ended()

    async def _read(self) -> bytes:
        with _translated():
            async with asyncio.timeout_at(self._deadline):
                return await self._response.content.readany()


@contextmanager
def _translated() -> Generator[None]:
    """Turns errors of the network into ours, without their text: it would reveal what was found at the other end."""
    try:
        yield
    except TimeoutError as error:
        raise FetchTimeout from error
    except (aiohttp.ClientError, HttpProcessingError, OSError, zlib.error) as error:
        raise FetchFailed from error


class Fetcher:
    """Fetches by the settings *urls*. An async context manager; *getaddrinfo* looks names up in a thread.

    *site* is our public address, by which the owner of the other server finds out who we are.
    """

    def __init__(self, urls: Urls, getaddrinfo: GetAddrInfo = socket.getaddrinfo, *, site: str | None = None) -> None:
        self._urls = urls
        self._agent = urls.user_agent or f"imges/{__version__}{f' (+{site})' if site else ''}"
        self._guard = Guard(urls.allow_private, urls.ports)
        self._getaddrinfo = getaddrinfo
        self._running = 0
        self._trust: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                socket_factory=self._guard.socket,
                resolver=Resolver(self._guard, self._getaddrinfo, AT_ONCE),
                use_dns_cache=False,  # each fetch looks the name up and checks its addresses
                force_close=True,  # a kept connection would skip the guard
            ),
            headers={
                "User-Agent": self._agent,
                "Accept": "image/*, */*;q=0.1",
                "Accept-Encoding": "identity",  # pictures are compressed already
            },
            cookie_jar=aiohttp.DummyCookieJar(),  # no fetch learns of another
            trust_env=False,  # a proxy would connect past the guard; .netrc would send passwords
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),  # `fetch` has one deadline over everything
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            max_headers=100,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    @asynccontextmanager
    async def fetch(self, url: str, *, limit: int) -> AsyncGenerator[Fetched]:
        """The file at *url*, of at most *limit* bytes. The connection is closed on leaving.

        `urls.timeout` covers everything together: name resolution, redirects and reading the chunks.

        Raises `UrlRefused` if the URL is malformed or leads to a forbidden address, `FetchFailed` if there is no
        usable answer, `FetchTimeout`, `FileTooLarge` if the announced length is beyond *limit*, `TooManyRequests` if
        `AT_ONCE` fetches are running.
        """
        if not self._urls.enabled:
            raise UrlRefused("this site fetches no addresses; send the picture itself")
        address = parse(url)
        timeout = self._urls.timeout.total_seconds()
        if self._running >= AT_ONCE:
            raise TooManyRequests("addresses are being fetched", math.ceil(timeout))
        self._running += 1
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            async with self._answer(address, deadline) as response:
                _check_head(response, limit)
                yield Fetched(file_name(url), response, limit, deadline)
        finally:
            self._running -= 1

    @asynccontextmanager
    async def _answer(self, address: URL, deadline: float) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The first answer that is not a redirect. Raises `FetchFailed` after more than `HOPS` redirects."""
        for _ in range(HOPS + 1):
            with _translated():
                async with asyncio.timeout_at(deadline):
                    trust = await self._trusted()
                    response = await self._session.get(
                        address, ssl=trust, allow_redirects=False, headers=self._referer(address)
                    )
            try:
                if response.status not in REDIRECTS:
                    yield response
                    return
                address = _next_hop(response)
            finally:
                response.close()
        raise FetchFailed

    def _referer(self, address: URL) -> dict[str, str]:
        """Some servers give pictures only to pages of their own."""
        return {"Referer": f"{address.origin()}/"} if self._urls.referer == "origin" else {}

    async def _trusted(self) -> ssl.SSLContext:
        """Returns the certificate authorities. Reading them takes a tenth of the start, so the first fetch does it."""
        if self._trust is None:
            self._trust = await asyncio.to_thread(_trust)
        return self._trust


def _next_hop(response: aiohttp.ClientResponse) -> URL:
    """Returns the URL of a redirect, checked as the first one. Raises `FetchFailed` without a `Location`."""
    location = response.headers.get("Location")
    if not location:
        raise FetchFailed
    return redirected(str(response.url), location)


def _check_head(response: aiohttp.ClientResponse, limit: int) -> None:
    """Checks status and length before the body is read. Raises `FetchFailed`, `FileTooLarge`."""
    if response.status != 200:
        raise FetchFailed(
            f"the address answered with status {response.status}; save the picture and send the file itself",
            status=response.status,
        )
    if response.content_length is not None and response.content_length > limit:
        raise FileTooLarge(limit)


def _trust() -> ssl.SSLContext:
    """Returns the system's certificate authorities and certifi's, because a bare machine may have none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
