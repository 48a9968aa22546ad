"""How soon small requests are answered, idle and while uploads take all that both cores have.

As a program (`latency.py PORT PATH SECONDS`) it is a client that sends one request each 10 ms. A process of its own
measures nothing of the other clients.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import quantiles

EVERY = 0.01
"""Seconds from one request to the next."""


def probe(port: int, path: str, seconds: float) -> list[float]:
    from benchmarks.load import Connection

    times: list[float] = []
    with Connection(port) as connection:
        connection.get(path, "text/html")
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            status, _ = connection.get(path, "text/html")
            if status != 200:
                raise RuntimeError(f"{path} was answered {status}")
            taken = time.perf_counter() - began
            times.append(taken)
            time.sleep(max(0.0, EVERY - taken))
    return times


def probed(port: int, path: str, seconds: float) -> list[float]:
    """`probe` in a process of its own: milliseconds of each request."""
    command = [sys.executable, "-m", "benchmarks.latency", str(port), path, str(seconds)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def percentile(times: Sequence[float], percent: int) -> float:
    return quantiles(times, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    print(json.dumps([1000 * taken for taken in probe(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))]))
