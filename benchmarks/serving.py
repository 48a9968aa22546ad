"""GET of pictures over 64 connections, against nginx sending the same file."""

import re
import subprocess

CONNECTIONS = 64


def requests_a_second(url: str, seconds: float) -> float:
    """Measured by wrk with one thread. Raises `RuntimeError` if an answer is not 200."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "10s", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None or "Non-2xx" in said:
        raise RuntimeError(f"{url}: {said}")
    return float(found[1])
