"""Rows to put into a catalog, and a clock to hold still."""

import hashlib
from dataclasses import replace
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


def stored(key: str, size: int = 1000, media_type: str = "image/png") -> StoredFile:
    md5 = hashlib.md5(key.encode()).hexdigest()
    return StoredFile(key, media_type, size, md5, 640, 480, 8, 3)


def new_image(name: str = "example", *, media_type: str = "image/png", frames: int = 1, **changes: Any) -> NewImage:
    """A picture of three files of 1,000 bytes each. Its keys and its id are made of *name*."""
    fields: dict[str, Any] = {
        "id": f"id-{name}",
        "place": "disk",
        "created": NOON,
        "original_filename": f"{name}.png",
        "original": replace(stored(f"2014/06/04/{name}.png", media_type=media_type), frames=frames),
        "thumb": stored(f"2014/06/04/{name}.th.png"),
        "medium": stored(f"2014/06/04/{name}.md.png"),
        "medium_key": f"2014/06/04/{name}.md.png",
        "api_key": "guest",
        "address": "192.0.2.7",
        "delete_token_hash": b"token hash",
    }
    return NewImage(**fields | changes)


def keys_of(new: NewImage) -> list[str]:
    return [new.original.key, new.thumb.key, new.medium_key]


async def claim_abandoned(catalog: Catalog, *, lease: str, now: datetime, limit: int = 10) -> list[Image]:
    """Claim rows as the sweep does."""
    return await catalog.images.claim(await catalog.images.abandoned(now=now, limit=limit), lease=lease, now=now)


async def published(catalog: Catalog, lease: str, new: NewImage) -> Image:
    row = await catalog.images.reserve(new, lease=lease)
    return await catalog.images.publish(row, lease=lease)


async def delete(catalog: Catalog, number: int) -> None:
    assert await catalog.deletions.begin(number)
    await catalog.deletions.finish(number)
