"""What browsers and crawlers ask a whole site for: its static files, icon, logo, colour, manifest, robots.txt."""

from aiohttp import web

from imges.errors import NotFound
from imges.web import accent, conditional
from imges.web.files import send_path
from imges.web.headers import FOR_GOOD, PICTURE
from imges.web.keys import SETTINGS
from imges.web.pages import StaticFile, media_type, render, render_text, static_files, static_prefix

FOR_A_DAY = "public, max-age=86400"
DAY = {"Cache-Control": FOR_A_DAY}
LOGO_CSP = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""An SVG may bring its style, and nothing that runs or calls out."""


def routes() -> list[web.RouteDef]:
    return [
        web.get(f"{static_prefix()}/{{name}}", static_for_good),
        web.get("/static/{name}", static),
        web.get("/history", history),
        web.get("/offline", offline),
        web.get("/robots.txt", robots),
        web.get("/favicon.ico", favicon),
        web.get("/logo", logo),
        web.get("/accent.css", accent_style),
        web.get("/manifest.webmanifest", manifest),
        web.get("/service-worker.js", service_worker),
    ]


async def static_for_good(request: web.Request) -> web.StreamResponse:
    """A static file under the address that pages name, which another release does not have."""
    return _send(request, _static(request), FOR_GOOD)


async def static(request: web.Request) -> web.StreamResponse:
    return _send(request, _static(request), None)


def _static(request: web.Request) -> StaticFile:
    file = static_files().get(request.match_info["name"])
    if file is None:
        raise NotFound
    return file


def _send(request: web.Request, file: StaticFile, caching: str | None) -> web.StreamResponse:
    """*file*, or what the conditions of *request* come to."""
    size = len(file.content)
    span = conditional.evaluate(request, etag=file.etag, modified=file.modified, size=size)
    headers = conditional.headers(
        span, etag=file.etag, modified=file.modified, size=size, media_type=file.media_type, caching=caching
    )
    return web.Response(status=span.status, headers=headers, body=file.content[span.start : span.stop])


async def history(request: web.Request) -> web.StreamResponse:
    """The frame of the history; what it shows is in the browser alone."""
    return render(request, "history.html")


async def offline(request: web.Request) -> web.StreamResponse:
    """What the service worker shows when the server cannot be reached."""
    return render(request, "offline.html")


async def robots(request: web.Request) -> web.StreamResponse:
    """Viewers may be fetched: link previews need it, and `noindex` can only be read by who fetches."""
    lines = [
        "User-agent: *",
        "Disallow: /image/*/delete/",
        *(f"Disallow: /{p}/" for p in request.app[SETTINGS].api.prefixes),
    ]
    return web.Response(text="\n".join(lines) + "\n")


async def favicon(request: web.Request) -> web.StreamResponse:
    return _send(request, static_files()["icon.svg"], FOR_A_DAY)


async def logo(request: web.Request) -> web.StreamResponse:
    """`site.logo`, of the type that its name says."""
    path = request.app[SETTINGS].site.logo
    if path is None:
        raise NotFound
    return await send_path(request, path, media_type=media_type(path), caching=FOR_A_DAY, headers=PICTURE | LOGO_CSP)


async def accent_style(request: web.Request) -> web.StreamResponse:
    colour = request.app[SETTINGS].site.accent
    if colour is None:
        raise NotFound
    return web.Response(text=accent.stylesheet(colour), content_type="text/css", headers=DAY)


async def manifest(request: web.Request) -> web.StreamResponse:
    """What makes the site an app that can be installed, and that phones share pictures to."""
    settings = request.app[SETTINGS]
    return web.json_response(
        {
            "name": settings.site.name,
            "short_name": settings.site.name,
            "id": "/",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": "#f6f7f9",
            "theme_color": settings.site.accent or "#2458c6",
            "icons": [_icon(192), _icon(512), _icon(512) | {"purpose": "maskable"}],
            "share_target": {
                "action": "/?shared",
                "method": "POST",
                "enctype": "multipart/form-data",
                "params": {
                    "title": "shared_title",
                    "text": "shared_text",
                    "url": "shared_url",
                    "files": [{"name": "source", "accept": ["image/*"]}],
                },
            },
        },
        content_type="application/manifest+json",
        headers=DAY,
    )


def _icon(side: int) -> dict[str, str]:
    return {"src": f"{static_prefix()}/icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"}


async def service_worker(request: web.Request) -> web.StreamResponse:
    """At the root, so that it may take shared pictures and answer for every page while offline."""
    shell = ["/offline", f"{static_prefix()}/style.css", f"{static_prefix()}/app.js"]
    if colour := request.app[SETTINGS].site.accent:
        shell.append(f"/accent.css?{colour[1:]}")
    text = render_text(request, "service-worker.js", shell=shell)
    return web.Response(text=text, content_type="text/javascript", headers={"Cache-Control": "no-cache"})
