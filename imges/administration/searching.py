"""What the owner writes into the fields of the search, read as a `Search` of the catalog."""

import dataclasses
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import ip_network
from zoneinfo import ZoneInfo

from imges.catalog import Search
from imges.errors import BadParameter
from imges.settings.units import size


def search_of(fields: Mapping[str, str], zone: ZoneInfo) -> Search:
    """Returns the search that *fields* ask for. Days are those of *zone*. Raises `BadParameter` if a field is wrong.

    The fields are: q (part of a name or title), key, address (or a network), digest, from and to (days, both included),
    least and most (sizes), newest (the number of a picture).
    """
    given = {name: text.strip() for name, text in fields.items() if text.strip()}
    last_day = _day(given.get("to"), zone)
    return Search(
        text=given.get("q"),
        api_key=given.get("key"),
        network=_network(given.get("address")),
        md5=_digest(given.get("digest")),
        least=_size(given.get("least")),
        most=_size(given.get("most")),
        since=_day(given.get("from"), zone),
        before=last_day and last_day + timedelta(days=1),
        newest=_number(given.get("newest")),
    )


def written_search(search: Search) -> str:
    """Returns *search* as the trail has it: the fields that limit it. Clients' addresses are not kept there."""
    fields = {field.name: getattr(search, field.name) for field in dataclasses.fields(search)}
    if search.network is not None:
        fields["network"] = "…"
    return ", ".join(f"{name}: {value}" for name, value in fields.items() if value is not None)


def _network(text: str | None):  # noqa: ANN202  (a network of either family)
    try:
        return None if text is None else ip_network(text, strict=False)
    except ValueError as error:
        raise BadParameter("address: an address such as 192.0.2.7, or a network such as 192.0.2.0/24") from error


def _digest(text: str | None) -> str | None:
    if text is not None and not re.fullmatch("[0-9a-f]{32}", text.lower()):
        raise BadParameter("digest: the MD5 of the stored original, 32 hex digits")
    return text and text.lower()


def _size(text: str | None) -> int | None:
    try:
        return None if text is None else size(text)
    except ValueError as error:
        raise BadParameter(f"size: {error}") from error


def _day(text: str | None, zone: ZoneInfo) -> datetime | None:
    """Returns the beginning of the day *text*."""
    if text is None:
        return None
    if not re.fullmatch("[12][0-9]{3}-[0-9]{2}-[0-9]{2}", text):
        raise BadParameter("date: should be written as 2014-06-04")
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone)
    except ValueError as error:
        raise BadParameter("date: there is no such day") from error


def _number(text: str | None) -> int | None:
    if text is not None and not re.fullmatch("[0-9]{1,18}", text):
        raise BadParameter("newest: a number")
    return None if text is None else int(text)
