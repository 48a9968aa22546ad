"""Conditions and ranges of RFC 9110 (sections 13 and 14), judged by our own strong ETags.

aiohttp's `FileResponse` would do it, but makes its ETag of the file's time: a picture's digest stays the same when it
is migrated, restored or served by another node.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate

from aiohttp import ETag, web

_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """What to send: *status*, and the bytes from *start* up to, not including, *stop*; none for 304, 412 and 416."""

    status: int
    start: int = 0
    stop: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the answer has no body by its status."""
        return self.status not in {200, 206}


def evaluate(request: web.BaseRequest, *, etag: str | None, modified: datetime, size: int) -> Span:
    """What *request* is due, for an object of *size* bytes; *etag* is `None` where it is not known."""
    if not _if_match_holds(request, etag, modified):
        return Span(412)
    if _unchanged(request, etag, modified):
        return Span(304)
    if request.method == "GET" and "Range" in request.headers and _if_range_holds(request, etag, modified):
        return _ranged(request.headers["Range"], size)
    return Span(200, 0, size)


def headers(
    span: Span, *, etag: str | None, modified: datetime, size: int, media_type: str, caching: str | None
) -> dict[str, str]:
    """What an answer by *span* says about the object; *caching* only where it is one of the object.

    412 and 416 answer one client's conditions: a cache that kept them would give them to everybody.
    """
    said = {"Accept-Ranges": "bytes", "Last-Modified": format_datetime(modified, usegmt=True)}
    if etag is not None:
        said["ETag"] = f'"{etag}"'
    if caching is not None and span.status in {200, 206, 304}:
        said["Cache-Control"] = caching
    if span.status in {206, 416}:
        said["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}" if span.stop else f"bytes */{size}"
    if not span.is_empty:
        said["Content-Type"] = media_type
        said["Content-Length"] = str(span.stop - span.start)
    return said


def _date(request: web.BaseRequest, header: str) -> datetime | None:
    """The date in *header*; `None` where it is none, and the header to be ignored.

    aiohttp's own properties raise where a number is too large for C.
    """
    try:
        fields = parsedate(request.headers.get(header))
        return None if fields is None else datetime(*fields[:6], tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _matches(etag: str | None, listed: tuple[ETag, ...], *, weak: bool) -> bool:
    return any(item.value == "*" or (item.value == etag and (weak or not item.is_weak)) for item in listed)


def _if_match_holds(request: web.BaseRequest, etag: str | None, modified: datetime) -> bool:
    if request.if_match is not None:
        return _matches(etag, request.if_match, weak=False)
    since = _date(request, "If-Unmodified-Since")
    return since is None or modified.replace(microsecond=0) <= since


def _unchanged(request: web.BaseRequest, etag: str | None, modified: datetime) -> bool:
    if request.if_none_match is not None:
        return _matches(etag, request.if_none_match, weak=True)
    since = _date(request, "If-Modified-Since")
    return since is not None and modified.replace(microsecond=0) <= since


def _if_range_holds(request: web.BaseRequest, etag: str | None, modified: datetime) -> bool:
    condition = request.headers.get("If-Range", "").strip()
    if not condition:
        return True
    if condition.endswith('"'):
        return etag is not None and condition == f'"{etag}"'
    return modified.replace(microsecond=0) == _date(request, "If-Range")


def _ranged(header: str, size: int) -> Span:
    """One range is served; several, or what is none, are answered with the whole, as RFC 9110 allows."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.group(1, 2) == ("", ""):
        return Span(200, 0, size)
    first, last = found.group(1, 2)
    if not first:
        start, stop = max(0, size - int(last[:20])), size
    else:
        start, stop = int(first[:20]), min(size, int(last[:20]) + 1) if last else size
        if last and int(last[:20]) < int(first[:20]):
            return Span(200, 0, size)
    return Span(206, start, stop) if start < stop else Span(416)
