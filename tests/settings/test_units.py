"""Values as people write them."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imges.settings.units import Rate, duration, network, pixels, rate, size
from imges.settings.yaml_text import read_yaml


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (size, "20 MB", 20 * 1024 * 1024),
        (size, "10GB", 10 * 2**30),
        (size, "1.5 kb", 1536),
        (size, "512", 512),
        (size, 0, 0),
        (pixels, "40 MP", 40_000_000),
        (pixels, "0.5 MP", 500_000),
        (pixels, 64, 64),
        (duration, "8 s", timedelta(seconds=8)),
        (duration, "250 ms", timedelta(milliseconds=250)),
        (duration, "5 minutes", timedelta(minutes=5)),
        (duration, "1 hour", timedelta(hours=1)),
        (duration, "30 days", timedelta(days=30)),
        (duration, "2 weeks", timedelta(weeks=2)),
        (duration, 0, timedelta(0)),
        (rate, "100/minute", Rate(100, timedelta(minutes=1))),
        (rate, "5/10 s", Rate(5, timedelta(seconds=10))),
        (rate, "1000 / hour", Rate(1000, timedelta(hours=1))),
        (rate, "2/day", Rate(2, timedelta(days=1))),
        (network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
        (network, "127.0.0.1", ip_network("127.0.0.1/32")),
        (network, "fd00::/8", ip_network("fd00::/8")),
    ],
)
def test_a_value_is_read_as_people_write_it(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        *((size, wrong) for wrong in ("many", "", "20 MX", "-1 MB", "20 MP", True, 1.5, None, [1], "9" * 5000, "٣ MB")),
        *((pixels, wrong) for wrong in ("40 MB", "4 x 4", False)),
        *((duration, wrong) for wrong in ("8", 8, True, "1 month", "-1 s", "soon", None, "9 9 s")),
        *((rate, wrong) for wrong in ("100", 100, "0/minute", "5/0 s", "5/fortnight", "/minute", "5/", "-5/minute")),
        *((network, wrong) for wrong in ("10.0.0.300", "example.org", "", 7, None, "10.0.0.0/33", "10.0.0.0/8/8")),
    ],
)
def test_a_wrong_value_is_refused_with_advice(read, wrong):
    with pytest.raises(ValueError, match=r"^should be .* such as "):
        read(wrong)


def test_a_size_beyond_what_can_be_counted_is_refused():
    assert size("8388607 TB") == 8388607 * 2**40
    with pytest.raises(ValueError, match="less than"):
        size("8388608 TB")


def test_a_duration_beyond_the_calendar_is_refused():
    with pytest.raises(ValueError, match="at most 36500 days"):
        duration("99999999999 weeks")


def test_an_address_with_a_mask_is_refused_with_its_network():
    with pytest.raises(ValueError, match=r"should be the network itself, 10\.1\.0\.0/16"):
        network("10.1.2.3/16")


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for read in (size, pixels, duration, rate, network, read_yaml):
        try:
            read(text)
        except ValueError:
            continue
