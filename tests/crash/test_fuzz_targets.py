"""The targets of libFuzzer on their seeds and a few mutations of them; for as long as one likes by the command."""

import random

import pytest

from tests.crash import fuzz_filter, fuzz_form
from tests.crash.fuzz import mutated


@pytest.mark.parametrize("target", [fuzz_filter, fuzz_form])
def test_what_is_promised_of_any_bytes_holds(target):
    chance = random.Random(11)
    for seed in target.seeds():
        target.one(seed)
        for _ in range(20):
            target.one(target.mended(mutated(seed, chance)))
