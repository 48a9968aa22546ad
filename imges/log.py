"""Logging: one line for each event on standard error, as text or as JSON.

Nothing here ever sees a query string (that of an upload holds the API key); the token of a delete link is masked, and
addresses of clients are not logged at all. Whatever a client can bring into a message stays on its line.
"""

import json
import logging
import re
import time
from contextvars import ContextVar
from functools import lru_cache
from typing import Literal

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""What the lines of one request have in common; set by whoever serves it."""

_requests = logging.getLogger("imges.requests")
_TOKEN = re.compile(r"(/delete/)[^/\s]+")
_OWN_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def configure(level: str, style: Literal["text", "json"]) -> None:
    """Log from *level* (debug, info, warning, error) on, in this *style*; may be called again.

    Debug lines are our own only: those of database libraries hold what is written, secrets included.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line tells them
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level="INFO" if level == "debug" else level.upper(), handlers=[handler], force=True)
    logging.getLogger("imges").setLevel(level.upper())


def log_request(method: str, path: str, status: int, seconds: float) -> None:
    """A line for an answered request; *path* is without the query string."""
    fields = {"method": method, "path": _masked(path), "status": status, "seconds": round(seconds, 4)}
    _requests.info("%s %s %d %.0f ms", method, path, status, seconds * 1000, extra=fields)


class TextFormatter(logging.Formatter):
    """`2014-06-04T12:00:00.000Z INFO imges.service: message`, a traceback indented below."""

    def format(self, record: logging.LogRecord) -> str:
        request = request_id.get()
        head = f"{_time(record)} {record.levelname} {record.name}{f' [{request}]' if request else ''}"
        return f"{head}: {_printable(_message(record))}" + "".join(
            f"\n  {_printable(line)}" for line in _traceback(self, record).splitlines()
        )


class JsonFormatter(logging.Formatter):
    """An object a line: time, level, logger, message; request_id and traceback where there are; the extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "request_id": request_id.get(),
            "traceback": _traceback(self, record) or None,
        }
        extra = {name: value for name, value in vars(record).items() if name not in _OWN_FIELDS}
        return json.dumps({name: value for name, value in (fields | extra).items() if value is not None}, default=str)


def _time(record: logging.LogRecord) -> str:
    """ISO 8601, UTC, to the millisecond."""
    return f"{_second(int(record.created))}.{int(record.msecs):03}Z"


@lru_cache(2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _message(record: logging.LogRecord) -> str:
    return _masked(record.getMessage())


def _masked(text: str) -> str:
    """*text* without the tokens of delete links: who reads the log shall not be able to delete."""
    return _TOKEN.sub(r"\1…", text) if "/delete/" in text else text


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return _masked(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _printable(text: str) -> str:
    """*text* with everything escaped that could begin a line, move the cursor or change the direction."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
