"""How every page is made: the templates, what they know, and the addresses of their static files."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import jinja2
from aiohttp import web
from jinja2.runtime import Context

from imges.catalog.types import StoredFile
from imges.web.codes import GROUPS
from imges.web.keys import LANGUAGES, SETTINGS, TEMPLATES
from imges.web.languages import Language

FORMATS = ("number", "size", "pixels", "span", "distance", "moment", "date")
"""What `Language` writes, each a filter of templates."""

_TYPES = MimeTypes()  # the library's own, whatever the machine has in /etc
for _suffix, _type in {".js": "text/javascript", ".webp": "image/webp", ".avif": "image/avif"}.items():
    _TYPES.add_type(_type, _suffix)  # Python 3.11 has an old name for the first, and none for the others

SOON = 1.0
"""Seconds from the start until the templates are compiled."""


def template_environment() -> jinja2.Environment:
    """The templates of the package, escaping everything; texts in the `language` that each is rendered with."""
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(_sources()),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]  (the extension adds it)
        _in_language("gettext"), _in_language("ngettext"), newstyle=True
    )
    known: dict[str, Any] = environment.globals
    known.update(static=static_prefix(), groups=GROUPS)
    filters: dict[str, Callable[..., Any]] = environment.filters
    filters.update({name: _written(name) for name in FORMATS}, address=object_address, from_now=from_now)
    return environment


def _sources() -> dict[str, str]:
    """The text of each template by its name; read at once, so that nothing is read on the event loop."""
    templates = static_folder().parent.iterdir()
    return {file.name: file.read_text("utf-8") for file in templates if file.suffix in {".html", ".js"}}


async def compiling(app: web.Application) -> AsyncGenerator[None]:
    """For `Application.cleanup_ctx`: all templates are compiled soon after the start, one by one and in a thread.

    That takes as long as a third of the start, and few clients ask for a page in its first second; for one that does
    the page's own are compiled at once.
    """
    task = asyncio.create_task(_compile(app[TEMPLATES]))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _compile(environment: jinja2.Environment) -> None:
    await asyncio.sleep(SOON)
    for name in environment.list_templates():
        await asyncio.to_thread(environment.get_template, name)


def static_folder() -> Path:
    """Styles, scripts and icons of the pages."""
    return Path(str(files("imges.templates").joinpath("static")))


def media_type(path: Path) -> str:
    """By the name."""
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
    """All static files by their names, as they were at the start: whatever is asked for, no path is made of it."""
    return {path.name: StaticFile.read(path) for path in sorted(static_folder().iterdir())}


@cache
def static_prefix() -> str:
    """Where pages fetch their static files from: below a digest of them all.

    So browsers may keep them for good, and a new release is fetched whole; modules that import one another by
    relative addresses included.
    """
    digest = hashlib.sha256()
    for name, file in static_files().items():
        digest.update(name.encode() + file.content)
    return f"/static/{digest.hexdigest()[:12]}"


def _in_language(name: str) -> Callable[..., str]:
    @jinja2.pass_context
    def translate(context: Context, *texts: Any) -> str:
        return getattr(context["language"].translations, name)(*texts)

    return translate


def _written(name: str) -> Callable[..., str]:
    @jinja2.pass_context
    def write(context: Context, value: Any) -> str:
        return getattr(context["language"], name)(value)

    return write


def language(request: web.Request) -> Language:
    """The visitor's, as far as pages speak it."""
    return request.app[LANGUAGES].best(request.headers.get("Accept-Language", ""))


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page in the visitor's language; every template knows `settings` and `language`."""
    text = render_text(request, template, **values)
    headers = {"Content-Language": language(request).tag, "Vary": "Accept, Accept-Language"}
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def render_text(request: web.Request, template: str, **values: Any) -> str:
    found = request.app[TEMPLATES].get_template(template)
    return found.render(settings=request.app[SETTINGS], language=language(request), **values)


def object_address(file: StoredFile) -> str:
    """The address of an object for our own pages: relative, so that it is of the page's own origin."""
    return f"/images/{quote(file.key)}"


def from_now(moment: datetime) -> timedelta:
    """The length of time until *moment*, for `distance`; negative when it is over."""
    return moment - datetime.now(UTC)
