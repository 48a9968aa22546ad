"""S1 to S7 in a network namespace: a real server, real names and sockets, and canaries on every inside address."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.addresses import INSIDE
from tests.hostile.world import HUNG, Outcome, Report, can_be, visited

WITHIN = 10.0
ALLOWED: dict[str, Callable[[Outcome], bool]] = {
    "S1": lambda out: (out.status, out.code) == (400, 122),
    "S2": lambda out: (out.status, out.code) == (400, 122),
    "S3": lambda out: (out.status, out.code) == (400, 122),
    "S3 no name": lambda out: (out.status, out.code) in {(400, 122), (502, 123)},  # unknown; no answer
    "S3 rebinding": lambda out: out.status == 200 or (out.status, out.code) == (400, 122),
    "S4": lambda out: (out.status, out.code) == (400, 122),
    "S4 nowhere": lambda out: (out.status, out.code) == (502, 123),
    "S5": lambda out: out.status == 400 and out.code in {120, 122},
    "S6": lambda out: out.status in {413, 415, 502, 504},
    "S7": lambda out: out.status == 200,
}


def test_no_inside_address_is_reached_and_every_outside_address_is(tmp_path: Path):
    """One test does everything: to visit the world takes a while."""
    if not can_be():
        pytest.skip("a network namespace of its own takes root, and a kernel or container that allows it")
    report = visited(tmp_path, "3 s")
    assert report.reachable == len(INSIDE) + 2  # each canary can be reached by other means
    assert report.touched == []
    for row, allowed in ALLOWED.items():
        of_it = [out for out in report.outcomes if out.row == row]
        assert of_it, row
        assert not [out for out in of_it if not allowed(out) or out.seconds > WITHIN], row
    _hung_ones_keep_nobody_waiting(report)
    _the_key_goes_to_nobody(report)


def _hung_ones_keep_nobody_waiting(report: Report) -> None:
    assert report.hung == {"504": 8, "429": HUNG - 8}
    assert report.while_hung
    assert max(report.while_hung) < 3


def _the_key_goes_to_nobody(report: Report) -> None:
    assert report.asked
    assert not [head for head in report.asked if report.key in head or "key" in head.lower()]
    assert report.key not in report.log
    assert "imges.requests" in report.log
