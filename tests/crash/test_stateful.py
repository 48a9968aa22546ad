"""The service against a model: each step of its acts is broken in turn; then a few whole lives."""

from collections.abc import Generator

import pytest

from tests.crash import stateful
from tests.crash.fate import Blow
from tests.crash.stateful import Lives, Strike


@pytest.fixture(scope="module", autouse=True)
def decoders(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    with stateful.below(tmp_path_factory.mktemp("lives")):
        yield


def upload(life: Lives, strike: Strike) -> None:
    life.upload(2, "a", None, strike)


def upload_again(life: Lives, strike: Strike) -> None:
    """A file lies in the way of the picture."""
    life.upload(0, "a", None, strike)


def delete(life: Lives, strike: Strike) -> None:
    kept = life.upload(2, "a", None, None)
    life.what_was_acknowledged_is_served_and_nothing_else()  # and was looked up
    life.delete(kept, strike)


def expire(life: Lives, strike: Strike) -> None:
    life.upload(2, "a", 1, None)
    life.time_passes(stateful.A_LONG_TIME)
    life.sweep(strike)


def take_back(life: Lives, strike: Strike) -> None:
    """What a process left that died during its upload."""
    life.upload(2, "a", None, (Blow.DIE, 4))
    life.sweep(strike)


@pytest.mark.parametrize(
    ("act", "least", "blow"),
    [(act, 5, blow) for act in (upload, delete) for blow in Blow]
    + [(act, 6, blow) for act in (expire, take_back) for blow in (Blow.LOST, Blow.DIE_AFTER)],
)
def test_a_failure_at_any_step_loses_nothing_and_leaves_nothing(act, least: int, blow: Blow):
    assert stateful.steps(act, blow) >= least


@pytest.mark.parametrize("blow", Blow)
def test_a_failure_at_any_step_touches_no_foreign_file(blow: Blow):
    assert stateful.steps(upload_again, blow, laid=True) >= 8


def test_in_any_order_of_events_acknowledged_pictures_are_served_and_nothing_else_stays():
    stateful.lives(20, stateful_step_count=12)
