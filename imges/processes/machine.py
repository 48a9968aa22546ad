"""What this machine gives to this process: memory and CPUs, by its control groups.

A container or a unit of systemd (`MemoryMax`, `CPUQuota`) has less than the machine. See cgroups(7): the limits of a
group hold for all groups below it.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from imges import cpus

GROUPS = Path("/sys/fs/cgroup")
OF_PROCESS = Path("/proc/self/cgroup")

LEAST, MOST = 96 * 2**20, 512 * 2**20
"""Bytes that decoders get, at least and at most, if the settings do not say how many."""
SHARE = 3
"""Decoders get so small a part of the memory. The rest is for the serving processes and what the workers take idle."""


def memory() -> int | None:
    """Returns the bytes that this process and its children may use; `None` if the system does not say."""
    pages = os.sysconf("SC_PHYS_PAGES")
    found = [pages * os.sysconf("SC_PAGE_SIZE")] if pages > 0 else []
    for folder in _groups("memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text.isdigit():
                found.append(int(text))
    return min(found, default=None)


def cores() -> int:
    """Returns how many CPUs this process may keep busy: those that it was started with, and the quota of its groups."""
    count = len(cpus.given()) or _affinity()
    for folder in _groups("cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            count = min(count, math.ceil(int(quota) / int(period)))
    return max(1, count)


def decoders_memory(there: int | None) -> int:
    """Returns the bytes for all decoders together, on a machine that has *there* bytes."""
    return MOST if there is None else max(LEAST, min(MOST, there // SHARE))


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _groups(controller: str) -> Iterator[Path]:
    """Yields the folders of the groups that this process is in, from its own upwards, as version 1 or 2 has them.

    In a container the path may be the host's, and nothing is there. The folder at the top is then the container's own.
    """
    for line in _read(OF_PROCESS).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        top = GROUPS if not controllers else GROUPS / controllers  # version 2 has no names of controllers here
        if not top.is_dir():
            top = GROUPS / controller  # "cpu,cpuacct" may be linked by one of its names alone
        own = top / path.lstrip("/")
        yield from (each for each in (own, *own.parents) if each.is_relative_to(top))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
