"""The time that an input of a fuzzer may take by its bytes: a slow input is a finding, as a crash is."""

import time
from collections.abc import Callable

AT_ALL = 0.15
"""Seconds of CPU for any input: a target reads it several times and decodes small pictures of it."""
A_MEGABYTE = 4.0
"""Seconds of CPU for each further MB: a hundred times what parsers may take, as a target does far more than parse."""


def spent(one: Callable[[bytes], None], data: bytes, *, slower: int = 1) -> None:
    """Runs *one* with *data*. Raises `AssertionError` if that takes more CPU than such an input may take.

    *slower* is by how much the code is slowed down. A slow input is tried again: the machine may have been busy.
    """
    allowed = (AT_ALL + A_MEGABYTE * len(data) / 2**20) * slower
    least = float("inf")
    for _ in range(3):
        began = time.thread_time()
        one(data)
        least = min(least, time.thread_time() - began)
        if least <= allowed:
            return
    raise AssertionError(f"{len(data)} bytes took {least:.2f} s of CPU, and {allowed:.2f} s are allowed")
