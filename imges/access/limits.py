"""Limits uploads and wrong API keys per client address, without keeping any address."""

import hashlib
import hmac
import math
import time
from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from limits import RateLimitItemPerSecond
from limits.aio.strategies import MovingWindowRateLimiter

from imges.errors import TooManyRequests
from imges.settings.units import Rate

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Pseudonyms:
    """Names under which client addresses are counted.

    Counting must not keep addresses, neither in memory nor in Redis. So an address is hashed with a *secret* of the
    catalog and the day (UTC): nobody can connect the pseudonyms of two days. All nodes make the same pseudonyms.
    Counting starts again at midnight.
    """

    def __init__(self, secret: bytes, now: Callable[[], datetime]) -> None:
        self._secret = secret
        self._now = now

    def of(self, address: IPAddress) -> str:
        day = self._now().date().isoformat()
        return hmac.digest(self._secret, f"{day} {client_network(address)}".encode(), hashlib.sha256).hex()[:32]


class AddressLimit:
    """Allows each client address at most *rate*; `None` means no limit.

    *what* names the things that are counted, in the plural, for the error message.
    """

    def __init__(self, limiter: MovingWindowRateLimiter, pseudonyms: Pseudonyms, rate: Rate | None, what: str) -> None:
        self._limiter = limiter
        self._pseudonyms = pseudonyms
        self._what = what
        self.set(rate)

    def set(self, rate: Rate | None) -> None:
        """Applies another *rate* from now on."""
        self._item = rate and RateLimitItemPerSecond(rate.count, math.ceil(rate.per.total_seconds()), self._what)

    async def hit(self, address: IPAddress | None) -> None:
        """Counts one hit of *address*. Raises `TooManyRequests` if it is beyond the limit; it is not counted then.

        *address* is `None` for a client of the unix socket without a proxy: a program of this machine. It has no limit.
        """
        if self._item is None or address is None:
            return
        client = self._pseudonyms.of(address)
        if not await self._limiter.hit(self._item, client):
            stats = await self._limiter.get_window_stats(self._item, client)
            raise TooManyRequests(self._what, max(1, math.ceil(stats.reset_time - time.time())))

    async def charge(self, address: IPAddress | None, hits: int) -> None:
        """Counts *hits* of *address* at once, or as many as the limit leaves."""
        if self._item is None or address is None:
            return
        client = self._pseudonyms.of(address)
        if not await self._limiter.hit(self._item, client, cost=hits):
            left = (await self._limiter.get_window_stats(self._item, client)).remaining
            if left > 0:
                await self._limiter.hit(self._item, client, cost=left)


def client_network(address: IPAddress) -> str:
    """Returns the network by which a client is counted: the IPv4 address itself, or the /64 of an IPv6 address.

    A client of IPv6 usually owns a whole /64 and can change its address within it for each request.
    """
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))
