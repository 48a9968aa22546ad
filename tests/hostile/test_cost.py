"""What bytes cost: each parser that strangers reach, fed with much of each class of byte."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from imges.errors import ImgesError
from imges.storage import InvalidKey
from tests.hostile import parsers

HEADER = 8 * 1024
BODY = 2**19
"""Bytes: a quarter of what the largest form of text may have, so that the tests take seconds; the cost is linear."""
ROOM = 8
"""How many times slower a machine may be than the two cores of the figures."""
HEADER_SECONDS = 0.010
BODY_SECONDS = 0.040
"""CPU a MB."""


def cpu(parse: Callable[[], object], allowed: float) -> float:
    """The CPU time of a call in seconds; the least of three if the first took more than *allowed*."""
    least = float("inf")
    for _ in range(3):
        began = time.thread_time()
        with suppress(ImgesError, InvalidKey, ValueError):
            parse()
        least = min(least, time.thread_time() - began)
        if least <= allowed:
            break
    return least


@pytest.mark.parametrize("name", parsers.HEADERS)
def test_8_kb_of_anything_in_a_header_are_parsed_at_once(name: str):
    parse = parsers.HEADERS[name]
    slow: dict[str, float] = {}
    for unit in parsers.UNITS:
        for tail in parsers.TAILS:
            value = (unit * HEADER)[: HEADER - 1] + tail
            taken = cpu(lambda value=value: parse(value), HEADER_SECONDS * ROOM)
            if taken > HEADER_SECONDS * ROOM:
                slow[unit + "…" + tail] = taken
    assert not slow


@pytest.mark.parametrize("name", parsers.BODIES)
def test_a_mb_of_anything_in_a_body_is_parsed_at_once(name: str, tmp_path: Path):
    parse = parsers.BODIES[name]
    slow: dict[str, float] = {}
    for unit in parsers.UNITS:
        value = (unit.encode() * BODY)[:BODY]
        allowed = BODY_SECONDS * ROOM * BODY / 2**20
        taken = cpu(lambda value=value: parse(value, tmp_path), allowed)
        if taken > allowed:
            slow[unit] = taken
    assert not slow


def test_every_parser_that_strangers_reach_is_in_the_table():
    met = set(parsers.found())
    excused = {each for each in met if {each, each.partition(":")[0]} & set(parsers.NOT_STRANGERS)}
    assert met - excused == set(parsers.ENTERED)
    assert set(parsers.ENTERED.values()) <= {*parsers.HEADERS, *parsers.BODIES}


def test_no_parser_of_aiohttp_that_is_slow_is_used():
    assert not list(parsers.slow_properties())
