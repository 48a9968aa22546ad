"""How every page is rendered: the templates, and what they know."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp_jinja2
import jinja2
from aiohttp import web
from jinja2.runtime import Context

from imges.catalog.types import StoredFile
from imges.web.app_keys import SETTINGS
from imges.web.pages.embed_codes import GROUPS
from imges.web.pages.languages import LANGUAGES, Language, open_languages
from imges.web.serving.static_files import static_folder, static_prefix

FORMATS = ("number", "size", "pixels", "span", "distance", "moment", "date")
"""Methods of `Language`; each is a filter of templates."""

SOON = 1.0
"""Seconds from the start until the templates are compiled."""


def set_up_pages(app: web.Application, language: str) -> None:
    """Give *app* the templates, which escape everything, and the languages of pages; *language* is the fallback.

    Raises `SettingsError` if pages do not speak *language*.
    """
    app[LANGUAGES] = open_languages(language)
    environment = aiohttp_jinja2.setup(
        app,
        default_helpers=False,
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
    filters: dict[str, Callable[..., Any]] = environment.filters
    filters.update({name: _written(name) for name in FORMATS}, address=object_address, from_now=from_now)
    known: dict[str, Any] = environment.globals
    known.update(static=static_prefix(), groups=GROUPS)


def _sources() -> dict[str, str]:
    """Returns the text of each template by its name, all read now, so that none is read on the event loop later."""
    templates = static_folder().parent.iterdir()
    return {file.name: file.read_text("utf-8") for file in templates if file.suffix in {".html", ".js", ".xml"}}


async def compiling(app: web.Application) -> AsyncGenerator[None]:
    """For `Application.cleanup_ctx`: compiles all templates soon after the start, one by one and in a thread.

    Compiling takes as long as a third of the start, and few clients ask for a page in its first second. If one does,
    the templates of that page are compiled at once.
    """
    task = asyncio.create_task(_compile(aiohttp_jinja2.get_env(app)))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _compile(environment: jinja2.Environment) -> None:
    await asyncio.sleep(SOON)
    for name in environment.list_templates():
        await asyncio.to_thread(environment.get_template, name)


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
    """Returns the visitor's language, or the fallback if pages do not speak it."""
    return request.app[LANGUAGES].best(request.headers.get("Accept-Language", ""))


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Returns a page in the visitor's language. Every template knows `settings` and `language`."""
    response = aiohttp_jinja2.render_template(template, request, _known(request) | values, status=status)
    response.headers.update({"Content-Language": language(request).tag, "Vary": "Accept, Accept-Language"})
    return response


def render_text(request: web.Request, template: str, **values: Any) -> str:
    return aiohttp_jinja2.render_string(template, request, _known(request) | values)


def _known(request: web.Request) -> dict[str, Any]:
    """Returns what every template knows.

    No context processor does it: aiohttp-jinja2 1.6 keeps those under a text key, which aiohttp 3.14 warns of.
    """
    return {"settings": request.app[SETTINGS], "language": language(request)}


def object_address(file: StoredFile) -> str:
    """Returns the address of an object for our own pages: relative, so that it has the page's own origin."""
    return f"/images/{quote(file.key)}"


def from_now(moment: datetime) -> timedelta:
    """Returns the length of time until *moment*, for `distance`; negative if it has passed."""
    return moment - datetime.now(UTC)
