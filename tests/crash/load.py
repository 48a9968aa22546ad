"""Clients that upload as fast as they can and remember what they were promised."""

import hashlib
import http.client
import random
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

from tests import drawn
from tests.served import Served

NAMES = 7
"""Names of all pictures: so few that uploads compete for them."""


Promises = dict[str, bytes]
"""The digest of each promised picture, by its address without that of the server."""


class Load:
    """Uploads pictures that all differ. It continues with another server after the former has died."""

    def __init__(self, clients: int = 8, side: int = 60) -> None:
        self.acknowledged: Promises = {}
        self.refused: list[str] = []
        """Other answers than 200 and 503."""
        self._side = side
        self._clients = clients
        self._seeds = count()
        self._lock = threading.Lock()

    def wait_for_more(self) -> None:
        """Waits until one more upload is acknowledged than before, so that there is something to lose."""
        before, deadline = len(self.acknowledged), time.monotonic() + 60
        while len(self.acknowledged) <= before:
            assert time.monotonic() < deadline, "nothing is acknowledged"
            time.sleep(0.02)

    @contextmanager
    def on(self, served: Served) -> Generator[None]:
        """Loads the server within the block. The load ends after the block, when the server should be gone."""
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
            content = drawn.encoded(drawn.noise(self._side, self._side, seed), "PNG")
            try:
                url = served.upload(content, f"{seed % NAMES}.png")["url"]
            except (OSError, http.client.HTTPException):
                continue
            except AssertionError as answer:
                if '"status_code": 503' not in str(answer):
                    self.refused.append(str(answer))
                continue
            with self._lock:
                self.acknowledged["/" + url.split("/", 3)[3]] = _digest(content)

    def lost(self, served: Served, at_most: int | None = None) -> list[str]:
        """Returns addresses of promised pictures that are not served byte for byte.

        With *at_most*, it requests only so many: the newest, and some of the others.
        """
        asked = list(self.acknowledged)
        if at_most is not None and len(asked) > at_most:
            newest = at_most * 4 // 5
            asked = asked[-newest:] + random.sample(asked[:-newest], at_most - newest)
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda path: served.request("GET", path), asked)
            return [
                path
                for path, (status, content) in zip(asked, answers, strict=True)
                if (status, _digest(content)) != (200, self.acknowledged[path])
            ]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
