"""The values in a picture's JSON that are computed, at their bounds."""

from datetime import UTC, datetime, timedelta

import pytest

from imges.bytesize import size_formatted
from imges.web.api.picture_json import how_long_ago, ratio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "moments ago"),  # a clock that was set back
        (0, "moments ago"),
        (59.999, "moments ago"),
        (60, "1 minute ago"),
        (119, "1 minute ago"),
        (120, "2 minutes ago"),
        (3599, "59 minutes ago"),
        (3600, "1 hour ago"),
        (86_399, "23 hours ago"),
        (86_400, "1 day ago"),
        (2 * 86_400, "2 days ago"),
        (30 * 86_400 - 1, "29 days ago"),
        (30 * 86_400, "1 month ago"),
        (365 * 86_400 - 1, "12 months ago"),
        (365 * 86_400, "1 year ago"),
        (730 * 86_400, "2 years ago"),
    ],
)
def test_how_long_ago_at_the_bounds_of_its_units(seconds: float, text: str):
    assert how_long_ago(NOON - timedelta(seconds=seconds), NOON) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KB"),
        (1075, "1 KB"),
        (1076, "1.1 KB"),
        (2**20 - 52, "1023.9 KB"),
        (2**20 - 51, "1 MB"),
        (5 * 2**40, "5 TB"),
        (5000 * 2**40, "5000 TB"),
    ],
)
def test_sizes_change_their_unit_where_it_is_rounded_to_1024(size: int, text: str):
    assert size_formatted(size) == text


def test_a_ratio_has_13_decimals_or_none():
    assert ratio(1151, 898) == 1.2817371937639
    assert ratio(600, 300) == 2
    assert isinstance(ratio(600, 300), int)
    assert isinstance(ratio(600, 301), float)
