"""Clients that upload as fast as they can, and remember what they were promised."""

import http.client
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import count

from tests import pictures
from tests.served import Served

NAMES = 7
"""So many names for all pictures, so that they get in each other's way."""


@cache
def _picture(seed: int) -> bytes:
    return pictures.encoded(pictures.noise(60, 60, seed), "PNG")


class Load:
    """Uploads of pictures that differ from each other; goes on with another server after the one before has died."""

    def __init__(self, clients: int = 8) -> None:
        self.acknowledged: dict[str, bytes] = {}
        """What was promised: by address, without the server's."""
        self.refused: list[str] = []
        """Other answers than 200 and 503."""
        self._clients = clients
        self._seeds = count()
        self._lock = threading.Lock()

    @contextmanager
    def on(self, served: Served) -> Generator[None]:
        """Under load; it ends after the block, when the server should be gone."""
        stop = threading.Event()
        with ThreadPoolExecutor(self._clients) as pool:
            running = [pool.submit(self._client, served, stop) for _ in range(self._clients)]
            try:
                yield
            finally:
                stop.set()
        for each in running:
            each.result()

    def _client(self, served: Served, stop: threading.Event) -> None:
        while not stop.is_set():
            with self._lock:
                seed = next(self._seeds)
            content = _picture(seed)
            try:
                url = served.upload(content, f"{seed % NAMES}.png")["url"]
            except (OSError, http.client.HTTPException):
                continue
            except AssertionError as answer:
                if '"status_code": 503' not in str(answer):
                    self.refused.append(str(answer))
                continue
            with self._lock:
                self.acknowledged["/" + url.split("/", 3)[3]] = content

    def lost(self, served: Served) -> list[str]:
        """Addresses of what was promised and is not served byte for byte."""
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda path: served.request("GET", path), self.acknowledged)
            return [
                path
                for (path, content), answer in zip(self.acknowledged.items(), answers, strict=True)
                if answer != (200, content)
            ]
