"""Writes logs to standard error: one line for each event, as text or as JSON.

A reader of the log must not gain the rights or learn the addresses of clients. So no query string is logged (that of
an upload contains the API key), the token of a delete or edit link is masked, and no client's address is logged. A
client must not forge lines: whatever it brings into a message stays on its line.
"""

import json
import logging
import re
import time
from contextvars import ContextVar
from functools import lru_cache
from typing import Literal

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the current request, in each of its lines. The web server sets it."""

_requests = logging.getLogger("imges.requests")
_TOKEN = re.compile(r"(/(?:delete|edit)/)[^/\s]+")
_KEY = re.compile(r"(/(?:imgur|lsky|plain|smms|zipline)/)[^/\s]+(?=/(?:3|api|up)\b)")
"""The key of a dialect that stands in an address."""
_OWN_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def configure(level: str, style: Literal["text", "json"]) -> None:
    """Logs from *level* (debug, info, warning, error) on, in this *style*. May be called again.

    Only our own debug lines are written: those of database libraries contain the values of rows, secrets included.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line shows them
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level="INFO" if level == "debug" else level.upper(), handlers=[handler], force=True)
    logging.getLogger("imges").setLevel(level.upper())


def log_request(method: str, path: str, status: int, seconds: float) -> None:
    """Logs an answered request. *path* is without the query string."""
    fields = {"method": method, "path": _masked(path), "status": status, "seconds": round(seconds, 4)}
    _requests.info("%s %s %d %.0f ms", method, path, status, seconds * 1000, extra=fields)


class TextFormatter(logging.Formatter):
    """Formats `2014-06-04T12:00:00.000Z INFO imges.access.redis: message`, with a traceback indented below."""

    def format(self, record: logging.LogRecord) -> str:
        request = request_id.get()
        head = f"{_time(record)} {record.levelname} {record.name}{f' [{request}]' if request else ''}"
        return f"{head}: {_printable(_message(record))}" + "".join(
            f"\n  {_printable(line)}" for line in _traceback(self, record).splitlines()
        )


class JsonFormatter(logging.Formatter):
    """Formats one JSON object a line: time, level, logger, message, request_id and traceback if any, extra fields."""

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
    """Returns the time of *record* in ISO 8601, UTC, with milliseconds."""
    return f"{_second(int(record.created))}.{int(record.msecs):03}Z"


@lru_cache(2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _message(record: logging.LogRecord) -> str:
    return _masked(record.getMessage())


def _masked(text: str) -> str:
    """Returns *text* without tokens of links and keys in addresses, which a reader of the log could use."""
    text = _TOKEN.sub(r"\1…", text) if "/delete/" in text or "/edit/" in text else text
    return _KEY.sub(r"\1…", text)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return _masked(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _printable(text: str) -> str:
    """Escapes every character that could begin a line, move the cursor or change the direction of writing."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
