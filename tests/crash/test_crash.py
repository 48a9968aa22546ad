"""A few rounds of what the commands do for as long as one likes."""

from pathlib import Path

from tests.crash import fuzz, points


def test_an_upload_broken_at_any_call_is_kept_or_leaves_nothing(tmp_path: Path):
    _, promised = points.rounds(4, tmp_path, seed=2)
    assert promised


def test_mutated_pictures_are_taken_or_refused_and_kill_nobody(tmp_path: Path):
    answers, _ = fuzz.rounds(1000, tmp_path)
    assert set(answers) >= {200, 415}
