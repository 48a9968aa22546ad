"""Answers about pictures that were just served, given again from memory before aiohttp makes a request object.

Through a request object, the router, middlewares and threads that read the file, an answer costs five times what it
costs from here, and it waits for each thread on the way. The answer is kept as it went out, under the address that was
asked for. It holds as long as the lookup it was made from. A picture that this process deletes is gone from memory at
once. One that another node deletes, or that somebody takes from the disk, is gone within `finding.LOOKUP_LIFE`.

Conditions, ranges, HEAD and everything else that is unusual go the long way.
"""

import time
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import HttpVersion11, web
from cachetools import LRUCache

from imges import metrics
from imges.log import log_request, request_id
from imges.pictures.finding import Finding, Located
from imges.settings import Settings
from imges.web.connection.aiohttp_connection import PlainGet
from imges.web.connection.proxies import is_trusted
from imges.web.connection.request_ids import HEADER, chosen
from imges.web.connection.shutdown import Shutdown
from imges.web.headers import caching

MEMORY = 32 * 2**20
"""Bytes of all answers that are kept, by all processes of this machine together."""

OVERHEAD = 1024
"""Bytes that an answer takes beside its head and body."""

LONG_WAY = (
    *("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"),
    *("Expect", "Transfer-Encoding", "Upgrade"),
)
"""Headers of requests whose answers depend on more than the address."""

FOUND = web.RequestKey("FOUND", Located)
"""The lookup that the answer, 200 to a GET, was made from. A handler sets it if the answer may be given again."""

OF_EACH = {"Date", HEADER}
"""Headers that no two answers share."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer about what was *found*. *head* lacks the headers that each answer has for itself."""

    found: Located
    path: str
    """The path as it is logged."""
    route: str
    """The router's pattern."""
    head: bytes
    body: bytes

    @property
    def size(self) -> int:
        return len(self.head) + len(self.body) + OVERHEAD


class RecentAnswers:
    """Answers by the address that was asked for, up to *memory* bytes of them."""

    def __init__(self, settings: Settings, finding: Finding, shutdown: Shutdown, memory: int = MEMORY) -> None:
        self._settings = settings
        self._finding = finding
        self._shutdown = shutdown
        self._answers = LRUCache[str, Answer](memory, lambda answer: answer.size)
        self._second = 0
        self._date = ""

    def keep(self, request: web.Request, response: web.StreamResponse, found: Located) -> None:
        """Keep *response*, which was made from *found*, for further requests of the same address."""
        body = response.body if isinstance(response, web.Response) else None
        if request.method != "GET" or request.query_string or found.row is None or not isinstance(body, bytes | None):
            return
        if request.version != HttpVersion11 or "Connection" in response.headers:
            return
        own = OF_EACH | {"Cache-Control"} if found.expires else OF_EACH
        lines = [f"{name}: {value}\r\n" for name, value in response.headers.items() if name not in own]
        head = f"HTTP/1.1 {response.status} {response.reason}\r\n{''.join(lines)}".encode()
        resource = request.match_info.route.resource
        answer = Answer(found, request.path, resource.canonical if resource else "none", head, body or b"")
        if answer.size <= self._answers.maxsize:
            self._answers[request.raw_path] = answer

    def answer(self, asked: PlainGet, peer: str | None) -> bytes | None:
        """Returns the whole answer to what *peer* asked; `None` if the request has to go the long way."""
        began = time.perf_counter()
        answer = self._answers.get(asked.target)
        if answer is None or self._shutdown.begun or any(name in asked.headers for name in LONG_WAY):
            return None
        if not self._finding.is_current(answer.found):
            del self._answers[asked.target]
            return None
        given = asked.headers.get(HEADER)
        identity = chosen(given, trusted=given is not None and is_trusted(self._settings, peer))
        self._note(answer, identity, time.perf_counter() - began)
        return b"".join((answer.head, self._own_headers(answer.found, identity), answer.body))

    def _own_headers(self, found: Located, identity: str) -> bytes:
        """Returns the headers that each answer has for itself, and the end of the head."""
        now = int(time.time())
        if now != self._second:
            self._second, self._date = now, formatdate(now, usegmt=True)
        lives = f"Cache-Control: {caching(found)}\r\n" if found.expires else ""
        return f"{lives}Date: {self._date}\r\n{HEADER}: {identity}\r\n\r\n".encode()

    def _note(self, answer: Answer, identity: str, seconds: float) -> None:
        token = request_id.set(identity)
        log_request("GET", answer.path, 200, seconds)
        request_id.reset(token)
        metrics.request("GET", answer.route, 200, seconds)


RECENT_ANSWERS = web.AppKey("RECENT_ANSWERS", RecentAnswers)


async def keep_answer(request: web.Request, response: web.StreamResponse) -> None:
    """For `Application.on_response_prepare`, after the signals that add headers: keeps the answer if it may be."""
    if found := request.get(FOUND):
        request.app[RECENT_ANSWERS].keep(request, response, found)
