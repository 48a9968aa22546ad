"""Rows to put into a catalog, and a clock to hold still."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from imges.catalog import Catalog, Image, NewImage, StoredFile

NOON = datetime(2014, 6, 4, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def forward(self, by: timedelta) -> None:
        self.time += by


def stored(key: str, size: int = 1000) -> StoredFile:
    return StoredFile(key, size, hashlib.md5(key.encode()).hexdigest(), 640, 480, 8, 3)


def new_image(name: str = "example", **changes: Any) -> NewImage:
    """A picture of three objects of 1,000 bytes each; its keys and its id are made of *name*."""
    fields: dict[str, Any] = {
        "id": f"id-{name}",
        "place": "disk",
        "extension": "png",
        "media_type": "image/png",
        "created": NOON,
        "original_filename": f"{name}.png",
        "original": stored(f"2014/06/04/{name}.png"),
        "thumb": stored(f"2014/06/04/{name}.th.png"),
        "medium": stored(f"2014/06/04/{name}.md.png"),
        "medium_key": f"2014/06/04/{name}.md.png",
        "frames": 1,
        "api_key": "guest",
        "address": "192.0.2.7",
        "delete_token_hash": b"token hash",
    }
    return NewImage(**fields | changes)


def keys_of(new: NewImage) -> list[str]:
    return [new.original.key, new.thumb.key, new.medium_key]


async def claim_abandoned(catalog: Catalog, *, lease: str, now: datetime, limit: int = 10) -> list[Image]:
    """As the sweep does it."""
    return await catalog.claim(await catalog.abandoned(now=now, limit=limit), lease=lease, now=now)
