"""The fields of the owner's search, read as a `Search`."""

from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from imges.administration import search_of
from imges.catalog import Search
from imges.errors import BadParameter

BERLIN = ZoneInfo("Europe/Berlin")
MD5 = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("fields", "search"),
    [
        ({}, {}),
        ({"q": "  ", "key": ""}, {}),
        ({"q": " cat ", "key": "laptop"}, {"text": "cat", "api_key": "laptop"}),
        ({"address": "192.0.2.7"}, {"network": ip_network("192.0.2.7/32")}),
        ({"address": "192.0.2.7/24"}, {"network": ip_network("192.0.2.0/24")}),
        ({"digest": MD5.upper()}, {"md5": MD5}),
        ({"least": "1 KB", "most": "20 MB"}, {"least": 1024, "most": 20 * 2**20}),
        ({"newest": "9" * 18}, {"newest": 10**18 - 1}),
    ],
)
def test_fields_are_read(fields: dict[str, str], search: dict[str, Any]):
    assert search_of(fields, BERLIN) == Search(**search)


def test_days_are_those_of_the_site_and_both_are_included():
    """Summer time begins in the night to the last day: in UTC it is an hour shorter."""
    found = search_of({"from": "2014-03-29", "to": "2014-03-30"}, BERLIN)
    assert found.since
    assert found.before
    assert found.since == datetime(2014, 3, 29, tzinfo=BERLIN)
    assert found.before == datetime(2014, 3, 31, tzinfo=BERLIN)
    assert found.since.utcoffset() == timedelta(hours=1)
    assert found.before.utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("address", "192.0.2"),
        ("digest", MD5[1:]),
        ("digest", MD5 + "0"),
        ("digest", "g" * 32),
        ("least", "much"),
        ("most", "-1"),
        ("from", "2014-02-30"),
        ("from", "14-06-04"),
        ("to", "3014-06-04"),
        ("to", "2014-06-04x"),
        ("newest", "-1"),
        ("newest", "9" * 19),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(field: str, text: str):
    name = {"least": "size", "most": "size", "from": "date", "to": "date"}.get(field, field)
    with pytest.raises(BadParameter, match=f"{name}: "):
        search_of({field: text}, BERLIN)
