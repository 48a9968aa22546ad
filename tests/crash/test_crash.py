"""A few rounds of the commands that can run for as long as one likes."""

from pathlib import Path

import pytest

from tests.crash import fuzz, kills, points

SIZES = {"upload": 6, "delete": 4, "expire": 4, "migrate": 4}


@pytest.mark.parametrize("operation", SIZES)
def test_an_operation_broken_off_at_any_call_is_done_or_not_begun(tmp_path: Path, operation: str):
    assert points.sample(operation, tmp_path, SIZES[operation], seed=2).points.total() == SIZES[operation]


def test_repeated_kills_under_load_lose_no_promised_picture(tmp_path: Path):
    assert kills.rounds(20, tmp_path).acknowledged


def test_mutated_pictures_are_accepted_or_refused_and_kill_no_process(tmp_path: Path):
    answers, _ = fuzz.rounds(1000, tmp_path)
    assert set(answers) >= {200, 415}
