"""Reads values as people write them in settings: `20 MB`, `40 MP`, `8 s`, `100/minute`, `10.0.0.0/8`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BeforeValidator

SIZES = {"": 1, "b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40}
PIXELS = {"": 1, "px": 1, "mp": 10**6}
SECONDS = {
    "ms": 0.001,
    **dict.fromkeys(("s", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("week", "weeks"), 7 * 86400),
}
MOST_BYTES = 2**63
"""The largest integer that databases store, plus one."""
LONGEST = timedelta(days=36500)
"""A longer duration is a mistake, and an expiry after it could lie beyond the last year of `datetime`."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most *count* times within any period of the length *per*."""

    count: int
    per: timedelta


def size(value: object) -> int:
    """Returns bytes, from `20 MB` (1024-based) or a plain number. Raises `ValueError`."""
    read = round(_amount(value, SIZES, "should be a size such as 20 MB"))
    if read >= MOST_BYTES:
        raise ValueError("should be less than 8388608 TB")
    return read


def pixels(value: object) -> int:
    """Returns pixels, from `40 MP` (10^6) or a plain number. Raises `ValueError`."""
    return round(_amount(value, PIXELS, "should be a number of pixels such as 40 MP"))


def duration(value: object) -> timedelta:
    """Returns a duration, from `8 s`, `5 minutes` or `30 days`. Only `0` needs no unit. Raises `ValueError`."""
    advice = "should be a duration with its unit, such as 8 s, 5 minutes or 30 days"
    if isinstance(value, timedelta):
        return value
    if str(value) == "0":
        return timedelta(0)
    seconds = _amount(value, SECONDS, advice)
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"should be at most {LONGEST.days} days")
    return timedelta(seconds=seconds)


def rate(value: object) -> Rate:
    """Returns a rate, from `100/minute` or `5/10 s`. Raises `ValueError`."""
    if isinstance(value, Rate):
        return value
    match = re.fullmatch(r"(\d{1,9}) */ *(.+)", value) if isinstance(value, str) else None
    count, per = match.groups() if match else ("0", "")
    try:
        read = Rate(int(count), duration(per if per[:1].isdigit() else f"1 {per}"))
    except ValueError:
        read = Rate(0, timedelta(0))
    if not read.count or not read.per:
        raise ValueError("should be a rate such as 100/minute or 5/10 s")
    return read


def network(value: object) -> IPv4Network | IPv6Network:
    """Returns a network, from `10.0.0.0/8` or a single IP address. Raises `ValueError`."""
    advice = "should be an address or a network such as 10.0.0.0/8"
    try:
        found = ip_network(str(value), strict=False)
    except ValueError:
        raise ValueError(advice) from None
    if found.network_address != ip_network(str(value).partition("/")[0]).network_address:
        raise ValueError(f"should be the network itself, {found}")
    return found


Size = Annotated[int, BeforeValidator(size)]
Pixels = Annotated[int, BeforeValidator(pixels)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
RateOf = Annotated[Rate, BeforeValidator(rate)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(network)]


def _amount(value: object, units: Mapping[str, float], advice: str) -> float:
    """Returns *value* (`NUMBER UNIT` or a number) in the smallest of *units*. Raises `ValueError(advice)`."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?) *([a-z]*)", text.strip().lower(), re.ASCII)
    if not match or match[2] not in units:
        raise ValueError(advice)
    number = float(match[1]) if "." in match[1] else int(match[1])
    return number * units[match[2]]
