"""What browsers and crawlers ask a whole site for: its icon, logo, colour, manifest, service worker, robots.txt."""

from datetime import UTC, datetime, timedelta

from aiohttp import web

from imges.errors import NotFound
from imges.web.app_keys import SETTINGS
from imges.web.headers import PICTURE
from imges.web.pages import accent
from imges.web.pages.rendering import render, render_text
from imges.web.serving.local_files import send_path
from imges.web.serving.static_files import media_type, send_static, static_files, static_prefix

FOR_A_DAY = "public, max-age=86400"
DAY = {"Cache-Control": FOR_A_DAY}
SECURITY_LIFE = timedelta(days=30)
"""How long readers may rely on security.txt. RFC 9116 recommends less than a year."""
LOGO_CSP = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""An SVG may have styles of its own, and nothing that runs or fetches."""


def routes() -> list[web.RouteDef]:
    return [
        web.get("/history", history),
        web.get("/offline", offline),
        web.get("/robots.txt", robots),
        web.get("/.well-known/security.txt", security),
        web.get("/favicon.ico", favicon),
        web.get("/logo", logo),
        web.get("/accent.css", accent_style),
        web.get("/manifest.webmanifest", manifest),
        web.get("/service-worker.js", service_worker),
    ]


async def history(request: web.Request) -> web.StreamResponse:
    """Answers with the page of the history. What it shows is known to the browser alone."""
    return render(request, "history.html")


async def offline(request: web.Request) -> web.StreamResponse:
    """What the service worker shows when the server cannot be reached."""
    return render(request, "offline.html")


async def robots(request: web.Request) -> web.StreamResponse:
    """Lets crawlers fetch viewers: link previews need it, and a crawler reads `noindex` only in what it fetches."""
    lines = [
        "User-agent: *",
        "Disallow: /image/*/delete/",
        "Disallow: /image/*/edit/",
        *(f"Disallow: /{p}/" for p in request.app[SETTINGS].api.prefixes),
    ]
    return web.Response(text="\n".join(lines) + "\n")


async def security(request: web.Request) -> web.StreamResponse:
    """Answers with the address for reports of security holes (RFC 9116). Raises `NotFound` if the owner set none."""
    contact = request.app[SETTINGS].site.contact
    if contact is None:
        raise NotFound
    address = contact if contact.startswith("https:") else f"mailto:{contact}"
    expires = datetime.now(UTC).replace(microsecond=0) + SECURITY_LIFE
    text = f"Contact: {address}\nExpires: {expires.isoformat().replace('+00:00', 'Z')}\n"
    return web.Response(text=text, headers=DAY)


async def favicon(request: web.Request) -> web.StreamResponse:
    return send_static(request, static_files()["icon.svg"], FOR_A_DAY)


async def logo(request: web.Request) -> web.StreamResponse:
    """Answers with `site.logo`, whose name says its type."""
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
    """Makes the site an app that can be installed, and to which phones share pictures."""
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
    """Stands at the root, so that it receives shared pictures and answers for every page while offline."""
    shell = ["/offline", f"{static_prefix()}/style.css", f"{static_prefix()}/app.js"]
    if colour := request.app[SETTINGS].site.accent:
        shell.append(f"/accent.css?{colour[1:]}")
    text = render_text(request, "service-worker.js", shell=shell)
    return web.Response(text=text, content_type="text/javascript", headers={"Cache-Control": "no-cache"})
