"""The targets of libFuzzer on their seeds and a few mutations. The command runs for as long as one likes."""

import random

import pytest

from tests.crash import budget, fuzz_filter, fuzz_form
from tests.crash.fuzz import mutated


@pytest.mark.parametrize("target", [fuzz_filter, fuzz_form])
def test_the_promises_about_any_bytes_are_kept(target):
    chance = random.Random(11)
    for seed in target.seeds():
        budget.spent(target.one, seed)
        for _ in range(20):
            budget.spent(target.one, target.mended(mutated(seed, chance)))


def quadratic(data: bytes) -> None:
    """Takes a time that grows with the square of the bytes."""
    for at in range(0, len(data), 2):
        sum(data[at:])


def test_an_input_that_costs_more_than_its_bytes_is_found():
    budget.spent(quadratic, bytes(500))
    with pytest.raises(AssertionError, match="CPU"):
        budget.spent(quadratic, bytes(16 * 1024))
