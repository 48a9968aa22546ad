"""The targets of libFuzzer on their seeds and a few mutations. The command runs for as long as one likes."""

import random

import pytest

from tests.crash import fuzz_filter, fuzz_form
from tests.crash.fuzz import mutated


@pytest.mark.parametrize("target", [fuzz_filter, fuzz_form])
def test_the_promises_about_any_bytes_are_kept(target):
    chance = random.Random(11)
    for seed in target.seeds():
        target.one(seed)
        for _ in range(20):
            target.one(target.mended(mutated(seed, chance)))
