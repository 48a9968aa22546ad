"""The service against a model: each step of its acts broken in turn, and a few whole lives; more by the command."""

from collections.abc import Generator

import pytest

from tests.crash import stateful
from tests.crash.fate import Blow
from tests.crash.stateful import Pictures, Strike


@pytest.fixture(scope="module", autouse=True)
def decoders(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    with stateful.below(tmp_path_factory.mktemp("lives")):
        yield


def upload(life: Pictures, strike: Strike) -> None:
    life.upload(2, "a", None, strike)


def upload_again(life: Pictures, strike: Strike) -> None:
    """Where a file lies in its way."""
    life.upload(0, "a", None, strike)


def delete(life: Pictures, strike: Strike) -> None:
    kept = life.upload(2, "a", None, None)
    life.what_was_acknowledged_is_served_and_nothing_else()  # and was looked up
    life.delete(kept, strike)


def expire(life: Pictures, strike: Strike) -> None:
    life.upload(2, "a", 1, None)
    life.time_passes(stateful.A_LONG_TIME)
    life.sweep(strike)


def take_back(life: Pictures, strike: Strike) -> None:
    """What a process left that died over its upload."""
    life.upload(2, "a", None, (Blow.DIE, 4))
    life.sweep(strike)


@pytest.mark.parametrize(
    ("act", "least", "blow"),
    [(act, 5, blow) for act in (upload, delete) for blow in Blow]
    + [(act, 6, blow) for act in (expire, take_back) for blow in (Blow.LOST, Blow.DIE_AFTER)],
)
def test_at_no_step_anything_is_lost_or_left(act, least: int, blow: Blow):
    assert stateful.steps(act, blow) >= least


@pytest.mark.parametrize("blow", Blow)
def test_at_no_step_a_file_of_somebody_else_is_touched(blow: Blow):
    assert stateful.steps(upload_again, blow, laid=True) >= 8


def test_in_whatever_order_things_happen_what_was_acknowledged_is_served_and_nothing_else_stays():
    stateful.lives(20, stateful_step_count=12)
