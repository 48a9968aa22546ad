"""Ids: what a client sees of them, and that nobody can guess the next one."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imges.ids import random_id, short_id

KEY = b"k" * 32
KEYS = st.binary(min_size=16, max_size=64)


def test_a_random_id_is_eleven_url_safe_letters_and_never_the_same():
    found = {random_id() for _ in range(1000)}
    assert len(found) == 1000
    assert all(re.fullmatch("[0-9A-Za-z]{11}", name) for name in found)


def test_a_random_id_uses_the_whole_alphabet():
    assert len(set("".join(random_id() for _ in range(1000)))) == 62


@given(key=KEYS)
def test_the_first_numbers_get_all_ids_of_one_letter_once(key: bytes):
    found = {short_id(number, key) for number in range(1, 63)}
    assert len(found) == 62
    assert all(re.fullmatch("[0-9A-Za-z]", name) for name in found)


def test_the_next_numbers_get_all_ids_of_two_letters_once():
    found = {short_id(number, KEY) for number in range(63, 63 + 62**2)}
    assert len(found) == 62**2
    assert {len(name) for name in found} == {2}


@pytest.mark.parametrize(
    ("number", "length"),
    [
        (62, 1),
        (63, 2),
        (62 + 62**2, 2),
        (62 + 62**2 + 1, 3),
        (62 + 62**2 + 62**3, 3),
        (62 + 62**2 + 62**3 + 1, 4),
        (10**12, 7),
    ],
)
def test_an_id_is_as_short_as_can_be(number: int, length: int):
    assert len(short_id(number, KEY)) == length


@given(numbers=st.lists(st.integers(1, 2**62), min_size=2, unique=True), key=KEYS)
def test_no_two_numbers_share_an_id(numbers: list[int], key: bytes):
    assert len({short_id(number, key) for number in numbers}) == len(numbers)


@given(start=st.integers(10_000, 2**50))
def test_another_key_gives_another_order(start: int):
    one, other = ([short_id(start + i, key) for i in range(8)] for key in (KEY, b"o" * 32))
    assert one != other


def test_neighbours_have_nothing_in_common():
    """Of 1,000 pairs, about one in 62 shares its first letter. With a bare counter nearly all would."""
    ids = [short_id(number, KEY) for number in range(100_000, 101_001)]
    shared = sum(one[0] == next_[0] for one, next_ in pairwise(ids))
    assert shared < 60


def test_the_order_is_not_the_order_of_the_numbers():
    ids = [short_id(number, KEY) for number in range(1, 63)]
    assert ids not in (sorted(ids), sorted(ids, reverse=True))


def test_a_key_gives_the_same_id_for_ever():
    """Ids are in people's links. A change of the permutation breaks them."""
    assert [short_id(number, KEY) for number in (1, 62, 63, 5000, 10**9)] == ["N", "S", "5l", "k4l", "539kPk"]


def test_there_is_no_row_number_zero():
    with pytest.raises(ValueError, match="begin with 1"):
        short_id(0, KEY)
