"""Pages for people: upload form, its result, viewer, deletion."""

import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
from aiohttp import web
from markupsafe import escape

import imges
from imges.catalog.types import ApiKey, Image, StoredFile
from imges.errors import ForeignForm
from imges.web import present
from imges.web.forms import UploadForm
from imges.web.keys import ACCESS, SERVICE, SETTINGS, TEMPLATES
from imges.web.proxies import base_url
from imges.web.uploads import json_answer, receive, site

_BOTS = re.compile(r"bot|crawl|spider|slurp|preview|facebookexternalhit|embed|curl|wget|python|monitor", re.IGNORECASE)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/", index),
        web.post("/", upload),
        web.get("/image/{id}", viewer),
        web.get("/image/{id}/delete/{token}", ask_deletion),
        web.post("/image/{id}/delete/{token}", delete),
        web.get("/robots.txt", robots),
        web.get("/favicon.ico", favicon),
    ]


def template_environment() -> jinja2.Environment:
    """The templates of the package, escaping everything."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("imges.templates", ""),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(size=present.size_formatted, address=_address)
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)  # compiled once, and not on the event loop
    return environment


def static_folder() -> Path:
    """Style and pictures of the pages."""
    return Path(str(files("imges.templates").joinpath("static")))


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page; every template knows the `settings`."""
    page = request.app[TEMPLATES].get_template(template)
    text = page.render(settings=request.app[SETTINGS], version=imges.__version__, **values)
    return web.Response(text=text, status=status, content_type="text/html")


def _address(file: StoredFile) -> str:
    """The address of an object for our own pages: relative, so that it is of the page's own origin."""
    return f"/images/{quote(file.key)}"


async def index(request: web.Request) -> web.StreamResponse:
    return render(request, "upload.html")


async def upload(request: web.Request) -> web.StreamResponse:
    """The form of the upload page: no key, so only from our own pages."""
    if not _is_own(request):
        raise ForeignForm
    form = UploadForm.of_query(request)

    async def guest(_: UploadForm) -> ApiKey:
        return await request.app[ACCESS].guest()

    uploaded = await receive(request, form, guest)
    if "application/json" in request.headers.get("Accept", ""):
        return json_answer(request, form, uploaded)
    deletion = site(request).deletion(uploaded.image, uploaded.delete_token) if uploaded.delete_token else None
    codes = embed_codes(uploaded.image, site(request))
    return render(request, "uploaded.html", image=uploaded.image, codes=codes, deletion=deletion)


def _is_own(request: web.Request) -> bool:
    """Whether a form comes from our own pages, by what browsers say and other sites cannot forge."""
    fetched_by = request.headers.get("Sec-Fetch-Site")
    if fetched_by is not None:
        return fetched_by.strip().lower() in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == urlsplit(base_url(request)).netloc


async def viewer(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    image = await service.view(request.match_info["id"])
    agent = request.headers.get("User-Agent", "")
    if request.method == "GET" and agent and not _BOTS.search(agent):
        service.count_view(image.id)
    where = site(request)
    response = render(
        request,
        "viewer.html",
        image=image,
        codes=embed_codes(image, where),
        site=where,
        created=image.created.astimezone(where.time_zone),
        ago=present.how_long_ago(image.created, datetime.now(UTC)),
    )
    if not request.app[SETTINGS].site.index:
        response.headers["X-Robots-Tag"] = "noindex"
    return response


def embed_codes(image: Image, where: present.Site) -> list[tuple[str, str]]:
    """What people copy, each with its name."""
    direct, viewer = where.object(image.original.key), where.viewer(image)
    shown = where.object((image.medium or image.original).key)
    alt = image.title or image.original_filename
    markdown_alt = re.sub(r"([\\\[\]])", r"\\\1", alt)
    return [
        ("Direct link", direct),
        ("Viewer link", viewer),
        ("HTML", f'<a href="{viewer}"><img src="{shown}" alt="{escape(alt)}"></a>'),
        ("Markdown", f"[![{markdown_alt}]({shown})]({viewer})"),
        ("BBCode", f"[url={viewer}][img]{shown}[/img][/url]"),
    ]


async def ask_deletion(request: web.Request) -> web.StreamResponse:
    image = await request.app[SERVICE].by_token(request.match_info["id"], request.match_info["token"])
    return render(request, "delete.html", image=image, deleted=False)


async def delete(request: web.Request) -> web.StreamResponse:
    """The address alone is enough: whoever has it may delete, also without our page."""
    service = request.app[SERVICE]
    image = await service.by_token(request.match_info["id"], request.match_info["token"])
    await service.delete(image)
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response({"status_code": 200, "success": {"message": "image deleted", "code": 200}})
    return render(request, "delete.html", image=image, deleted=True)


async def robots(request: web.Request) -> web.StreamResponse:
    """Viewers may be fetched: link previews need it, and `noindex` can only be read by who fetches."""
    prefixes = request.app[SETTINGS].api.prefixes
    closed = ["/image/*/delete/", *(f"/{prefix}/" for prefix in prefixes)]
    return web.Response(text="\n".join(["User-agent: *", *(f"Disallow: {path}" for path in closed), ""]))


async def favicon(_: web.Request) -> web.StreamResponse:
    icon = static_folder() / "favicon.svg"
    return web.FileResponse(icon, headers={"Content-Type": "image/svg+xml", "Cache-Control": "public, max-age=86400"})
