"""Whether a form comes from our own pages."""

from urllib.parse import urlsplit

from aiohttp import web

from imges.web.proxies import base_url


def is_own(request: web.Request) -> bool:
    """By what browsers say and other sites cannot forge."""
    fetched_by = request.headers.get("Sec-Fetch-Site")
    if fetched_by is not None:
        return fetched_by.strip().lower() in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    try:
        return origin is None or urlsplit(origin).netloc == urlsplit(base_url(request)).netloc
    except ValueError:  # brackets that hold no address
        return False
