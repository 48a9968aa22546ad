"""The arithmetic of sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imges.imaging import sizes

sides = st.integers(1, 16384)
pictures = st.tuples(sides, sides)
thumbs = st.tuples(st.integers(1, 400), st.integers(1, 400))


@pytest.mark.parametrize(
    ("size", "medium"),
    [
        ((1151, 898), (500, 390)),
        ((1000, 500), (500, 250)),
        ((500, 4000), None),
        ((501, 500), (500, 499)),
        ((4000, 1), (500, 1)),
        ((1, 4000), None),
    ],
)
def test_a_medium_is_500_wide_and_its_height_is_rounded(size, medium):
    assert sizes.medium_size(size, 500) == medium


@given(pictures, thumbs, st.integers(1, 2000))
def test_what_is_decoded_is_enough_for_medium_and_thumb_and_never_larger_than_the_original(size, thumb, width):
    medium = sizes.medium_size(size, width)
    working = sizes.working_size(size, thumb, medium)
    assert working[0] <= size[0]
    assert working[1] <= size[1]
    for side in (0, 1):
        assert working[side] >= min(size[side], thumb[side])
        assert medium is None or working[side] >= medium[side]


@given(pictures, thumbs)
def test_the_centre_lies_inside_and_has_the_shape_of_the_thumb(size, thumb):
    left, top, right, bottom = sizes.centre(size, thumb)
    assert left >= 0
    assert top >= 0
    assert right <= size[0] + 1e-6
    assert bottom <= size[1] + 1e-6
    assert (right - left) * thumb[1] == pytest.approx((bottom - top) * thumb[0])
    assert left == pytest.approx(size[0] - right)
