"""Assigns CPUs: a serving process uses one and leaves the others to its decoding processes.

Only one thread of a process runs Python at a time. If its threads are spread over several CPUs, each switch between
threads wakes another CPU, and an upload costs half as much again as with all threads on one CPU.
"""

import os

_given: frozenset[int] = frozenset()


def keep_to_one(number: int) -> None:
    """Restricts this process, the *number*-th that serves, and its future threads to a single CPU.

    The CPU is one of those that this process was started with. On systems without CPU affinity nothing happens.
    """
    global _given  # noqa: PLW0603 - the process's own
    if not hasattr(os, "sched_setaffinity"):  # macOS
        return
    _given = frozenset(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {sorted(_given)[number % len(_given)]})


def given() -> frozenset[int]:
    """Returns the CPUs that this process was started with, for its child processes.

    The set is empty if `keep_to_one` has not restricted this process: children then inherit the CPUs.
    """
    return _given


def use(cpus: frozenset[int]) -> None:
    """Lets this process run on *cpus*, which `given` returned in its parent. Does nothing if they are empty."""
    if cpus:
        os.sched_setaffinity(0, cpus)
