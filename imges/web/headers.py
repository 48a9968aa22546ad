"""The headers that every answer of a kind carries, set in one place as the answer goes out."""

from collections.abc import Iterable
from datetime import UTC, datetime

from aiohttp import web

from imges.pictures.finding import Located
from imges.web.api_errors import FORMAT
from imges.web.app_keys import FINDING
from imges.web.connection.request_ids import HEADER, REQUEST_ID

YEAR = 365 * 86_400

FOR_GOOD = f"public, max-age={YEAR}, immutable"
"""`Cache-Control` of what never changes at its address."""

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "86400",
}
"""Headers of API v1: any site may call it, because it uses no cookies."""

PICTURE = {
    "Access-Control-Allow-Origin": "*",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",  # without it Chromium blocks pictures on pages with COEP
}


def page(pictures_from: Iterable[str]) -> dict[str, str]:
    """Returns the headers of a page whose pictures come from our own origin and from the origins *pictures_from*."""
    pictures = " ".join(("'self'", "blob:", "data:", *pictures_from))
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {pictures}; connect-src 'self'; "
            "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }


def isolation(path: str) -> dict[str, str]:
    """Returns the headers of the page at *path* that cut it off from other windows and from other sites' logs.

    The page that a forum opens as a window (`/upload`) has to reach that forum's window, so it is not cut off. The
    addresses of delete, edit, drop and report pages are permissions: no link leads from them with a `Referer`.
    """
    found: dict[str, str] = {}
    if path != "/upload":
        found["Cross-Origin-Opener-Policy"] = "same-origin"
    if "/delete/" in path or "/edit/" in path or path.startswith(("/drop/", "/report/")):
        found["Referrer-Policy"] = "no-referrer"
    return found


def caching(found: Located) -> str:
    """Returns the `Cache-Control` of an object. Its bytes never change, but it is kept only while the picture lives."""
    if found.file is None:
        return "no-store"  # the catalog is out of reach, and nothing else knows how long the picture lives
    if found.expires is None:
        return FOR_GOOD
    left = int((found.expires - datetime.now(UTC)).total_seconds())
    return f"public, max-age={max(0, min(YEAR, left))}"


async def complete(request: web.Request, response: web.StreamResponse) -> None:
    """For `Application.on_response_prepare`: adds the headers of this kind of answer that the handler has not set."""
    defaults = {"X-Content-Type-Options": "nosniff"}
    if FORMAT in request:
        defaults |= CORS | {"Cache-Control": "no-store"}
    elif response.content_type == "text/html":
        origins = await request.app[FINDING].redirect_origins()
        defaults |= page(origins) | isolation(request.path) | {"Cache-Control": "no-cache"}
    if response.status >= 400:
        defaults.setdefault("Cache-Control", "no-store")  # a picture may have this address a moment later
    if REQUEST_ID in request:
        defaults[HEADER] = request[REQUEST_ID]
    for name, value in defaults.items():
        response.headers.setdefault(name, value)
    if response.headers.get("Server"):
        response.headers["Server"] = "imges"
