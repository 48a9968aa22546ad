"""What other rooms give to image processing: limits, displayed sizes, and defaults."""

from dataclasses import replace

import pytest

from imges.errors import TooLargeImage
from imges.imaging.types import ANIMATED, MEDIA_TYPES, Header, Limits, Quality, Recipe

LIMITS = Limits(frozenset({"gif"}), side=100, pixels=5000, frames=10, total_pixels=20_000)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(Header("gif", 100, 50), id="a side and the pixels"),
        pytest.param(Header("gif", 50, 100), id="the other side"),
        pytest.param(Header("gif", 10, 10, frames=10), id="frames"),
        pytest.param(Header("gif", 50, 40, frames=10), id="pixels of all frames"),
    ],
)
def test_a_picture_may_be_as_large_as_the_limits(header):
    LIMITS.check(header)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        pytest.param(Header("gif", 101, 1), "is 101 pixels wide; this site takes up to 100", id="width"),
        pytest.param(Header("gif", 1, 101), "is 101 pixels high; this site takes up to 100", id="height"),
        pytest.param(Header("gif", 73, 69), "5,037 pixels; this site takes up to 5,000", id="pixels"),
        pytest.param(Header("gif", 10, 10, frames=11), "11 frames; this site takes up to 10", id="frames"),
        pytest.param(
            Header("gif", 51, 40, frames=10), "20,400 pixels in all frames; this site takes up to 20,000", id="all"
        ),
    ],
)
def test_a_larger_picture_is_refused_with_both_numbers(header, words):
    with pytest.raises(TooLargeImage, match=words):
        LIMITS.check(header)


def test_what_exif_turns_is_displayed_with_its_sides_exchanged():
    shown = [replace(Header("jpg", 3, 2), orientation=orientation).displayed for orientation in range(1, 9)]
    assert shown == [(3, 2)] * 4 + [(2, 3)] * 4


def test_the_defaults_are_those_of_the_settings():
    header = Header("jpg", 3, 2)
    assert (header.orientation, header.frames, header.bits, header.channels, header.file_size) == (1, 1, 8, None, 0)
    assert (header.progressive, header.palette) == (False, False)
    assert Quality() == Quality(jpeg=85, webp=80, avif=60, png=6)
    assert Recipe() == Recipe((160, 160), 500, None, animate=True, keep_metadata=False, quality=Quality())
    assert {"gif", "webp"} == ANIMATED
    assert MEDIA_TYPES["jpg"] == "image/jpeg"
    assert {name: kind for name, kind in MEDIA_TYPES.items() if kind != f"image/{name}"} == {"jpg": "image/jpeg"}
