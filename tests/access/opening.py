"""What the tests of this room share: clocks, an address, a key, and the outcome of an attempt."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from imges.access.access import Access
from imges.errors import ImgesError

HOME = IPv4Address("198.51.100.7")
KEY = "our key"


class Clocks:
    """The time of day and the seconds, both set by the test."""

    def __init__(self) -> None:
        self.today = datetime(2014, 6, 4, 12, tzinfo=UTC)
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.today

    def clock(self) -> float:
        return self.seconds


Open = Callable[..., AbstractAsyncContextManager[Access]]


async def outcome(attempt: Any) -> tuple[int, int]:
    """Returns the HTTP status and API code with which *attempt* ends."""
    try:
        await attempt
    except ImgesError as error:
        return error.status, error.code
    return 200, 200
