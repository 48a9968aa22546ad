"""Decides to which IP addresses and ports a fetch may connect, whatever name led to them."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from imges.errors import UrlRefused

Network = IPv4Network | IPv6Network
GetAddrInfo = Callable[..., Iterable[tuple[Any, ...]]]
"""`socket.getaddrinfo`, or a test's replacement."""

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
            # A public address behind which Azure serves metadata to its own machines
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
"""Networks to which no fetch connects, unless `urls.allow_private` opens one.

Python's `ipaddress.is_global` lets some of them through (multicast, 6to4, NAT64), so we keep our own table."""


UNKNOWN = {socket.EAI_NONAME, socket.EAI_NODATA}
"""Errors of names that do not exist, or have no address."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The rule for IP addresses and ports."""

    open_networks: tuple[Network, ...]
    """The networks of `urls.allow_private`: allowed on every port, even if `DENIED` contains them."""
    ports: tuple[int, ...]

    def check(self, host: str, port: int) -> None:
        """Raises `UrlRefused` if *host* (an IP address) or *port* is forbidden.

        The error does not say which: a stranger must not learn what exists in our network.
        """
        try:
            address = ip_address(host)
        except ValueError as error:
            raise UrlRefused from error
        if any(address in network for network in self.open_networks):
            return
        if port not in self.ports or any(address in network for network in DENIED):
            raise UrlRefused

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Makes the socket for one address (of `getaddrinfo`) to which aiohttp is about to connect.

        aiohttp makes each of its sockets by this method, so nothing can change between the check and the connection.
        Raises `UrlRefused` if the address is forbidden.
        """
        family, kind, protocol, _, (host, port, *_) = info
        self.check(host, port)
        return socket.socket(family, kind, protocol)


class Resolver(AbstractResolver):
    """Resolves names. If any address of a name is forbidden, the name is.

    A name that mixes public and private addresses is an attack: the connection might use either of them. Lookups run in
    threads of their own: a name server that hangs must not block the threads that write files of other uploads.
    """

    def __init__(self, guard: Guard, getaddrinfo: GetAddrInfo, threads: int) -> None:
        self._guard = guard
        self._getaddrinfo = getaddrinfo
        self._threads = ThreadPoolExecutor(threads, "resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Returns the addresses of *host*.

        Raises `UrlRefused` if one is forbidden or the name is unknown: a stranger must not find out which names exist
        in our network. Raises `OSError` if the name server does not answer.
        """
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host, port, family)
        except socket.gaierror as error:
            if error.errno in UNKNOWN:
                raise UrlRefused from error
            raise
        for address in answers:
            self._guard.check(address, port)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for address in answers
        ]

    def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[str]:
        """Returns each address once, with its scope id if it has one (`fe80::1%eth0`). Blocking."""
        infos = self._getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        return list(dict.fromkeys(str(info[4][0]) for info in infos))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
