"""The guarded fetch of a picture whose address a stranger names.

Where the request goes is decided on addresses, never on names, and at the socket: whatever a name resolves to, whatever
a redirect says, each address that is connected to passes `Guard`. The rest bounds what an unfriendly server can cost
us: one deadline over name resolution, all hops and the body, a size limit, no inflating. What is answered to the
stranger tells nothing of what was found: neither addresses nor a byte of the remote answer, errors included.
"""

import asyncio
import math
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote, urljoin

import aiohttp
import certifi
import idna
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from imges import __version__
from imges.errors import FetchFailed, FetchTimeout, FileTooLarge, TooManyRequests, UrlRefused
from imges.settings import Urls

Network = IPv4Network | IPv6Network
GetAddrInfo = Callable[..., Iterable[tuple[Any, ...]]]
"""`socket.getaddrinfo`, or what stands in for it."""

AT_ONCE = 8
"""Fetches that may run at the same moment; one more is told to come back later."""
HOPS = 3
"""Redirects that are followed."""
LONGEST = 4096
"""Characters of an address."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
DEFAULT_PORTS = {"http": 80, "https": 443}

# Addresses


DENIED: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            # IANA's special-purpose registry of IPv4
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared address space of providers; metadata of some clouds
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is metadata of a cloud
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
            # A public address that is inside for whoever runs on that cloud
            "168.63.129.16/32",
            # IPv6: everything but 2000::/3, the global unicast space. So loopback, unique local, link-local,
            # site-local, multicast, and IPv4 in disguise: mapped, compatible, translated (64:ff9b::/96 and others)
            "::/3",
            "4000::/2",
            "8000::/1",
            # IANA's special-purpose registry within 2000::/3
            "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks, …
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: IPv4 in disguise
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # the 6bone, given back
            "3fff::/20",  # documentation
        ),
    )
)
"""Networks that are never fetched from, unless the settings open one by name. `is_global` of `ipaddress` lets some of
these through, so the table is ours."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Which address and port may be connected to."""

    open_networks: tuple[Network, ...]
    """Those of `urls.allow_private`: reachable on every port, whatever `DENIED` says."""
    ports: tuple[int, ...]

    def check(self, host: str, port: int) -> None:
        """Raises: UrlRefused, the same for whatever reason."""
        try:
            address = ip_address(host)
        except ValueError as error:
            raise UrlRefused from error
        if any(address in network for network in self.open_networks):
            return
        if port not in self.ports or any(address in network for network in DENIED):
            raise UrlRefused

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The socket for one address that is about to be connected to; where aiohttp makes all of its own.

        Raises: UrlRefused.
        """
        family, kind, protocol, _, (host, port, *_) = info
        self.check(host, port)
        return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """Names to addresses, of which every single one must be allowed.

    It looks up in threads of its own: a name server that hangs must not take those that others wait for.
    """

    def __init__(self, guard: Guard, getaddrinfo: GetAddrInfo) -> None:
        self._guard = guard
        self._getaddrinfo = getaddrinfo
        self._threads = ThreadPoolExecutor(AT_ONCE, "resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises: UrlRefused, OSError."""
        answers = await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host, port, family)
        for address in answers:
            self._guard.check(address, port)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for address in answers
        ]

    def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[str]:
        """Each address once, scope ids (`fe80::1%eth0`) included. Blocking."""
        infos = self._getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        return list(dict.fromkeys(str(info[4][0]) for info in infos))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


# The text of an address

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-F:.]{2,45}\]|[^\x00-\x20\x7f/?#@:\\%\[\]]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][^#]*)?(?:#.*)?",
    re.IGNORECASE | re.ASCII,  # without ASCII, a long s would match the last letter of https
)
_SCHEME = re.compile(r"[A-Z][A-Z0-9+.-]*:", re.IGNORECASE | re.ASCII)
_LABEL = re.compile(r"[A-Z0-9_](?:[A-Z0-9_-]{0,61}[A-Z0-9_])?", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE | re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEPT = "%/?:@!$&'()*+,;=-._~[]"
"""What stands for itself in a path or query; signatures break where more is escaped."""


def parse(text: str) -> URL:
    """The address, parsed once and strictly; what is connected to is what was checked. Raises: UrlRefused.

    No user, no `%` or backslash in the host, and nothing that some other parser takes for an IPv4 address: only four
    decimal numbers are one.
    """
    match = None if len(text) > LONGEST or _CONTROL.search(text) else _URL.fullmatch(text)
    if match is None:
        raise UrlRefused
    scheme = match["scheme"].lower()
    port = int(match["port"] or DEFAULT_PORTS[scheme])
    target = match["target"] or "/"
    try:
        target = quote(target, safe=_KEPT, errors="surrogateescape")  # a Location may hold bytes that are not UTF-8
        host = _host(match["host"])
    except ValueError as error:
        raise UrlRefused from error
    if not 1 <= port <= 65535:
        raise UrlRefused
    return URL(f"{scheme}://{host}:{port}{target if target[0] == '/' else '/' + target}", encoded=True)


def _host(text: str) -> str:
    """The host as it is looked up: an address, or an ASCII name. Raises: ValueError."""
    if text.startswith("["):
        return f"[{IPv6Address(text[1:-1])}]"
    labels = [label if label.isascii() else idna.alabel(label.lower()).decode() for label in text.split(".")]
    name = ".".join(labels).lower()
    *_, last = labels = name.removesuffix(".").split(".")
    if _NUMBER.fullmatch(last):
        return str(IPv4Address(name))
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(text)
    return name


def file_name(text: str) -> str:
    """The last segment of an address's path, percent-decoded; `""` where there is none."""
    path = re.split(r"[?#]", text.partition("://")[2], maxsplit=1)[0]
    return unquote(path.rpartition("/")[2]) if "/" in path else ""


# The fetch


class Fetched:
    """A picture that is on its way: the *name* that its address gives it, and its bytes as they come."""

    def __init__(self, name: str, response: aiohttp.ClientResponse, limit: int, deadline: float) -> None:
        self.name = name
        self._response = response
        self._limit = limit
        self._deadline = deadline

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, to its end. Raises: FileTooLarge, FetchFailed, FetchTimeout."""
        size = 0
        while chunk := await self._read():
            size += len(chunk)
            if size > self._limit:
                raise FileTooLarge(self._limit)
            yield chunk

    async def _read(self) -> bytes:
        with _translated():
            async with asyncio.timeout_at(self._deadline):
                return await self._response.content.readany()


@contextmanager
def _translated() -> Generator[None]:
    """What goes wrong on the way, in our words."""
    try:
        yield
    except TimeoutError as error:
        raise FetchTimeout from error
    except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
        raise FetchFailed from error


class Fetcher:
    """Fetches by the rules of *urls*; an async context manager. *getaddrinfo* looks names up, in a thread."""

    def __init__(self, urls: Urls, getaddrinfo: GetAddrInfo = socket.getaddrinfo) -> None:
        self._urls = urls
        self._guard = Guard(urls.allow_private, urls.ports)
        self._getaddrinfo = getaddrinfo
        self._running = 0
        self._trust: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                socket_factory=self._guard.socket,
                resolver=_Resolver(self._guard, self._getaddrinfo),
                use_dns_cache=False,
                force_close=True,  # each fetch connects anew, and is checked anew
            ),
            headers={
                "User-Agent": f"imges/{__version__}",
                "Accept": "image/*, */*;q=0.1",
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # no proxy, no .netrc
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),  # ours is the deadline over everything
            max_line_size=8190,
            max_field_size=8190,
            max_headers=100,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    @asynccontextmanager
    async def fetch(self, url: str, *, limit: int) -> AsyncGenerator[Fetched]:
        """The file at *url*, of at most *limit* bytes; the connection is gone on leaving.

        `urls.timeout` is for everything together: looking up names, redirects, and reading the chunks.
        Raises: UrlRefused, FetchFailed, FetchTimeout, FileTooLarge, TooManyRequests.
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
        """The answer that is no redirect. Raises: UrlRefused, FetchFailed, FetchTimeout."""
        for _ in range(HOPS + 1):
            with _translated():
                async with asyncio.timeout_at(deadline):
                    trust = await self._trusted()
                    response = await self._session.get(address, ssl=trust, allow_redirects=False)
            try:
                if response.status not in REDIRECTS:
                    yield response
                    return
                address = _next_hop(response)
            finally:
                response.close()
        raise FetchFailed

    async def _trusted(self) -> ssl.SSLContext:
        """Read when it is needed first, for that takes as long as a tenth of the start."""
        if self._trust is None:
            self._trust = await asyncio.to_thread(_trust)
        return self._trust


def _next_hop(response: aiohttp.ClientResponse) -> URL:
    """Where a redirect leads, by the same rules. Raises: UrlRefused; FetchFailed where it leads nowhere."""
    location = response.headers.get("Location")
    if not location:
        raise FetchFailed
    try:  # `urljoin` would read `http:x` as a path
        return parse(location if _SCHEME.match(location) else urljoin(str(response.url), location))
    except ValueError as error:
        raise UrlRefused from error


def _check_head(response: aiohttp.ClientResponse, limit: int) -> None:
    """Raises: FetchFailed, FileTooLarge, before a byte of the body is read."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if response.status != 200 or coding not in {"", "identity"}:
        raise FetchFailed
    if response.content_length is not None and response.content_length > limit:
        raise FileTooLarge(limit)


def _trust() -> ssl.SSLContext:
    """The system's certificate authorities, and certifi's: a machine may come without any."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
