"""Uploads with a key, by HTTP."""

from tests.served import Served


def uploaded(served: Served, key: str) -> int:
    """Uploads a picture with *key*, and returns the status of the answer."""
    return served.request(
        "POST", "/api/1/upload", b"source=R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=",
        **{"Content-Type": "application/x-www-form-urlencoded", "X-API-Key": key},
    )[0]  # fmt: skip
