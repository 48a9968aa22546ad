"""How every page is made: the templates, what they know, and the addresses of their static files."""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from aiohttp import web

from imges.catalog.types import StoredFile
from imges.web import present
from imges.web.codes import GROUPS
from imges.web.keys import SETTINGS, TEMPLATES


def template_environment() -> jinja2.Environment:
    """The templates of the package, escaping everything."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("imges.templates", ""),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known: dict[str, Any] = environment.globals
    known.update(static=static_prefix(), groups=GROUPS)
    environment.filters.update(
        size=present.size_formatted, pixels=_pixels, span=span, time_left=time_left, address=object_address
    )
    for name in environment.list_templates(extensions=["html", "js"]):
        if not name.startswith("static/"):
            environment.get_template(name)  # compiled once, and not on the event loop
    return environment


def static_folder() -> Path:
    """Styles, scripts and icons of the pages."""
    return Path(str(files("imges.templates").joinpath("static")))


@cache
def static_prefix() -> str:
    """Where pages fetch their static files from: below a digest of them all.

    So browsers may keep them for good, and a new release is fetched whole; modules that import one another by
    relative addresses included.
    """
    digest = hashlib.sha256()
    for file in sorted(static_folder().iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    return f"/static/{digest.hexdigest()[:12]}"


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page; every template knows the `settings`."""
    return web.Response(text=render_text(request, template, **values), status=status, content_type="text/html")


def render_text(request: web.Request, template: str, **values: Any) -> str:
    return request.app[TEMPLATES].get_template(template).render(settings=request.app[SETTINGS], **values)


def object_address(file: StoredFile) -> str:
    """The address of an object for our own pages: relative, so that it is of the page's own origin."""
    return f"/images/{quote(file.key)}"


def span(length: timedelta) -> str:
    """A length of time in its largest unit that says it whole: `30 days`, `36 hours`, `10 minutes`."""
    seconds = int(length.total_seconds())
    for unit, worth in (("year", 31_536_000), ("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= worth and seconds % worth == 0:
            return _counted(seconds // worth, unit)
    return _counted(seconds, "second")


def time_left(expires: datetime) -> str:
    """The time until *expires*, roughly: `3 days`, `less than a minute`."""
    seconds = (expires - datetime.now(UTC)).total_seconds()
    for unit, worth in (("year", 31_536_000), ("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= worth:
            return _counted(round(seconds / worth), unit)
    return "less than a minute"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _pixels(count: int) -> str:
    return f"{count / 10**6:.1f}".removesuffix(".0") + " megapixels"
