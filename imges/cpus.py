"""Which CPUs are used for what: a serving process keeps to one, and leaves the others to its decoders.

Only one thread of a process runs Python at a time. Where its threads are spread over the CPUs, each hand-over between
them wakes another CPU: an upload then costs half as much again as with all of them on one.
"""

import os

_given: frozenset[int] = frozenset()


def keep_to_one(number: int) -> None:
    """Run this process, the *number*-th that serves, and all threads that it starts from now on, on a single CPU.

    It is one of those that whoever started us allows; where the system knows no such thing, nothing happens.
    """
    global _given  # noqa: PLW0603 - the process's own
    if not hasattr(os, "sched_setaffinity"):  # macOS
        return
    _given = frozenset(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {sorted(_given)[number % len(_given)]})


def given() -> frozenset[int]:
    """The CPUs that this process was started with, for processes of its own; empty where it keeps to them anyway."""
    return _given


def use(cpus: frozenset[int]) -> None:
    """Run this process on *cpus* again."""
    if cpus:
        os.sched_setaffinity(0, cpus)
