"""How long commands take to start."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from benchmarks import servers


def command(*arguments: str) -> float:
    """Seconds that a command takes from start to end."""
    began = time.perf_counter()
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def version() -> float:
    return command(str(servers.IMGES), "version")


def bare() -> float:
    return command(sys.executable, "-c", "pass")


def serve(folder: Path) -> float:
    """Seconds from the start of `imges serve` to its first answer."""
    began = time.perf_counter()
    with servers.imges(folder) as server:
        urllib.request.urlopen(f"{server.url}/").close()
        return time.perf_counter() - began
