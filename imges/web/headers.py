"""The headers that every answer of a kind carries, set in one place as the answer goes out."""

from collections.abc import Iterable
from datetime import UTC, datetime

from aiohttp import web

from imges.service import Located
from imges.web.keys import SERVICE
from imges.web.request_ids import HEADER, REQUEST_ID
from imges.web.uploads import FORMAT

YEAR = 365 * 86_400

FOR_GOOD = f"public, max-age={YEAR}, immutable"
"""How long is kept what never changes under its address."""

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "86400",
}
"""Of API v1: any site may call it; it knows no cookies."""

PICTURE = {
    "Access-Control-Allow-Origin": "*",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def page(pictures_from: Iterable[str]) -> dict[str, str]:
    """Of a page whose pictures may come from our own origin, and *pictures_from* others."""
    pictures = " ".join(("'self'", "blob:", "data:", *pictures_from))
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {pictures}; connect-src 'self'; "
            "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "same-origin",
    }


def caching(found: Located) -> str:
    """A key is never used again, so its bytes never change; but no longer than the picture lives."""
    if found.file is None:
        return "no-store"  # the catalog is out of reach: nobody knows how long it lives
    if found.expires is None:
        return FOR_GOOD
    left = int((found.expires - datetime.now(UTC)).total_seconds())
    return f"public, max-age={max(0, min(YEAR, left))}"


async def complete(request: web.Request, response: web.StreamResponse) -> None:
    """For `Application.on_response_prepare`: what the kind of answer calls for and the handler has not set."""
    defaults = {"X-Content-Type-Options": "nosniff"}
    if FORMAT in request:
        defaults |= CORS | {"Cache-Control": "no-store"}
    elif response.content_type == "text/html":
        origins = await request.app[SERVICE].redirect_origins()
        defaults |= page(origins) | {"Cache-Control": "no-cache"}
    if response.status >= 400:
        defaults.setdefault("Cache-Control", "no-store")  # nothing's address may be a picture's in a moment
    if REQUEST_ID in request:
        defaults[HEADER] = request[REQUEST_ID]
    for name, value in defaults.items():
        response.headers.setdefault(name, value)
    if response.headers.get("Server"):
        response.headers["Server"] = "imges"
