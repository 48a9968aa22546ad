"""The static files of the pages: their styles, scripts and icons."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from mimetypes import MimeTypes
from pathlib import Path
from typing import Self

from aiohttp import web

from imges.errors import NotFound
from imges.web.headers import FOR_GOOD
from imges.web.serving import conditions

_TYPES = MimeTypes()  # the library's own, whatever the machine has in /etc
for _suffix, _type in {".js": "text/javascript", ".webp": "image/webp", ".avif": "image/avif"}.items():
    _TYPES.add_type(_type, _suffix)  # Python 3.11 has an old name for the first, and none for the others


def routes() -> list[web.RouteDef]:
    return [
        web.get(f"{static_prefix()}/{{name}}", static_for_good),
        web.get("/static/{name}", static),
    ]


async def static_for_good(request: web.Request) -> web.StreamResponse:
    """A static file at the address that pages use. It changes with each release, so browsers keep the file for good."""
    return send_static(request, _asked_for(request), FOR_GOOD)


async def static(request: web.Request) -> web.StreamResponse:
    return send_static(request, _asked_for(request), None)


def _asked_for(request: web.Request) -> "StaticFile":
    """Raises `NotFound` if there is no such file."""
    file = static_files().get(request.match_info["name"])
    if file is None:
        raise NotFound
    return file


def send_static(request: web.Request, file: "StaticFile", caching: str | None) -> web.StreamResponse:
    """Returns the answer with *file*, or what the conditions and the range of *request* ask for instead."""
    size = len(file.content)
    span = conditions.evaluate(request, etag=file.etag, modified=file.modified, size=size)
    headers = conditions.headers(
        span, etag=file.etag, modified=file.modified, size=size, media_type=file.media_type, caching=caching
    )
    return web.Response(status=span.status, headers=headers, body=file.content[span.start : span.stop])


def static_folder() -> Path:
    """Styles, scripts and icons of the pages."""
    return Path(str(files("imges.templates").joinpath("static")))


def media_type(path: Path) -> str:
    """Returns the media type that the name says."""
    return _TYPES.guess_type(path.name)[0] or "application/octet-stream"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A static file, with all its bytes: they are few."""

    content: bytes
    media_type: str
    modified: datetime
    etag: str
    """A digest, the same on every node."""

    @classmethod
    def read(cls, path: Path) -> Self:
        content = path.read_bytes()
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return cls(content, media_type(path), modified, hashlib.sha256(content).hexdigest()[:32])


@cache
def static_files() -> dict[str, StaticFile]:
    """Returns all static files by name, as they were at the start. No path is ever made from a request."""
    return {path.name: StaticFile.read(path) for path in sorted(static_folder().iterdir())}


@cache
def static_prefix() -> str:
    """Returns the address below which pages fetch their static files; it holds a digest of all of them.

    So browsers may keep the files for good, and fetch every file of a new release, also the modules that others import
    by relative addresses.
    """
    digest = hashlib.sha256()
    for name, file in static_files().items():
        digest.update(name.encode() + file.content)
    return f"/static/{digest.hexdigest()[:12]}"
