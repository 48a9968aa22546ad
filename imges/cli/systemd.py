"""What systemd and its service say to each other: passed sockets, READY, the watchdog.

See sd_notify(3) and sd_listen_fds(3).

Nothing happens if systemd did not start us. systemd starts the unpacker of the one-file binary, and we are its child:
so the process that the variables name may be our parent.
"""

import asyncio
import os
import socket
import sys
from collections.abc import MutableMapping
from contextlib import suppress

FIRST = 3
"""The descriptor of the first passed socket."""
PATIENCE = 1.0
"""Seconds that a message may wait to be taken."""


def notify(*lines: str, patience: float = PATIENCE) -> None:
    """Sends systemd `READY=1`, `STOPPING=1` or the like. Gives up if systemd reads nothing for *patience* seconds."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.settimeout(patience)
        to.connect("\0" + address[1:] if address.startswith("@") else address)
        to.send("\n".join(lines).encode())


async def keep_watchdog_quiet() -> None:
    """Reports to systemd's watchdog, twice in each of its intervals. Returns at once if there is no watchdog."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and not _is_us(pid)):
        return
    while True:
        notify("WATCHDOG=1", patience=0)  # a lost one does not matter: the next says the same
        await asyncio.sleep(int(usec) / 2e6)


def passed_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Returns the sockets that systemd listens on for us. Removes them from *environ*: our children have none."""
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if not _is_us(pid) or not count.isdigit():
        return []
    return [socket.socket(fileno=number) for number in range(FIRST, FIRST + int(count))]


def _is_us(pid: str) -> bool:
    return pid == str(os.getpid()) or (hasattr(sys, "frozen") and pid == str(os.getppid()))
