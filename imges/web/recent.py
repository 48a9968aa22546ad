"""Answers about pictures that were just served, given again from memory before aiohttp makes a request of what came.

On the way through a request object, the router, middlewares and threads that read the file, an answer costs five times
what it does from here, and waits for each thread it passes. Kept is the answer as it went out that way, under the
address that was asked for. It holds as long as the lookup it stands on: what is deleted here is gone from here at once;
what another node deletes, or somebody takes from the disk, within `service.LOOKUP_LIFE`.

Conditions, ranges, HEAD and whatever else is unusual go the long way.
"""

import time
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import EMPTY_PAYLOAD, HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from cachetools import LRUCache

from imges import metrics
from imges.log import log_request, request_id
from imges.service import Located, Service
from imges.settings import Settings
from imges.web.ending import Ending
from imges.web.headers import caching
from imges.web.proxies import is_trusted
from imges.web.request_ids import HEADER, chosen

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
"""What the answer, 200 to a GET, stands on, where it may be given again."""

OF_EACH = {"Date", HEADER}
"""Headers that no two answers share."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer about what was *found*: *head* is all of it but the headers that each answer has for itself."""

    found: Located
    path: str
    """As it is logged."""
    route: str
    """The router's pattern."""
    head: bytes
    body: bytes

    @property
    def size(self) -> int:
        return len(self.head) + len(self.body) + OVERHEAD


class Recent:
    """Answers by the address that was asked for, up to *memory* bytes of them."""

    def __init__(self, settings: Settings, service: Service, ending: Ending, memory: int = MEMORY) -> None:
        self._settings = settings
        self._service = service
        self._ending = ending
        self._answers = LRUCache[str, Answer](memory, lambda answer: answer.size)
        self._second = 0
        self._date = ""

    def keep(self, request: web.Request, response: web.StreamResponse, found: Located) -> None:
        """Give *response* again to whoever asks for the same; *found* is what it stands on."""
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

    def answer(self, message: RawRequestMessage, payload: StreamReader, peer: str | None) -> bytes | None:
        """What *message* of *peer* is answered, to the last byte; `None`: it has to go the long way."""
        began = time.perf_counter()
        answer = self._answers.get(message.path)
        if (
            answer is None
            or message.method != "GET"
            or message.version != HttpVersion11
            or message.should_close
            or payload is not EMPTY_PAYLOAD
            or self._ending.begun
            or any(name in message.headers for name in LONG_WAY)
        ):
            return None
        if not self._service.holds(answer.found):
            del self._answers[message.path]
            return None
        given = message.headers.get(HEADER)
        identity = chosen(given, trusted=given is not None and is_trusted(self._settings, peer))
        self._note(answer, identity, time.perf_counter() - began)
        return b"".join((answer.head, self._own_headers(answer.found, identity), answer.body))

    def _own_headers(self, found: Located, identity: str) -> bytes:
        """Those that each answer has for itself, and the end of the head."""
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


RECENT = web.AppKey("RECENT", Recent)


async def remember(request: web.Request, response: web.StreamResponse) -> None:
    """For `Application.on_response_prepare`, after all that add headers."""
    if found := request.get(FOUND):
        request.app[RECENT].keep(request, response, found)
