"""The headers that every answer of a kind carries, set in one place as the answer goes out."""

from aiohttp import web

from imges.web.pages import static_prefix
from imges.web.request_ids import HEADER, REQUEST_ID
from imges.web.uploads import FORMAT

YEAR = 365 * 86_400

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

PAGE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}


async def complete(request: web.Request, response: web.StreamResponse) -> None:
    """For `Application.on_response_prepare`: what the kind of answer calls for and the handler has not set."""
    defaults = {"X-Content-Type-Options": "nosniff"}
    if FORMAT in request:
        defaults |= CORS | {"Cache-Control": "no-store"}
    elif response.content_type == "text/html":
        defaults |= PAGE | {"Cache-Control": "no-cache"}
    elif request.path.startswith(static_prefix()):
        defaults |= {"Cache-Control": f"public, max-age={YEAR}, immutable"}
    if REQUEST_ID in request:
        defaults[HEADER] = request[REQUEST_ID]
    for name, value in defaults.items():
        response.headers.setdefault(name, value)
    if response.headers.get("Server"):
        response.headers["Server"] = "imges"
