"""Addresses that pictures had at the host that they came from."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cachetools import TTLCache

from imges.catalog import Catalog, Image, Shows
from imges.errors import CatalogUnavailable, NotFound
from imges.pictures.finding import LOOKUP_LIFE, LOOKUPS


@dataclass(frozen=True, slots=True)
class Shown:
    """What an old address shows: the object *key*, or the viewer's page of the picture *id* if there is no key."""

    id: str
    key: str | None


class OldAddresses:
    """Looks old addresses up, and remembers for `LOOKUP_LIFE` what they show, and which addresses are none.

    Scanners ask for the same addresses again and again. A catalog without old addresses is asked once in that time.
    """

    def __init__(self, catalog: Catalog, now: Callable[[], datetime]) -> None:
        self._catalog = catalog
        self._now = now
        self._known = TTLCache[str, Shown | None](LOOKUPS, LOOKUP_LIFE)
        self._ask_from = float("-inf")
        """Until this moment the catalog had no old address at all."""

    async def find(self, path: str) -> Shown | None:
        """Return what the decoded *path* shows; `None` if it is no old address, or the catalog is out of reach.

        Raises `Gone` if its picture is deleted or has expired.
        """
        if path in self._known:
            return self._known[path]
        try:
            if not await self._has_any():
                return None
            self._known[path] = shown = _shown(*await self._catalog.old_addresses.find(path, self._now()))
        except NotFound:
            self._known[path] = None
            return None
        except CatalogUnavailable:
            return None
        return shown

    async def _has_any(self) -> bool:
        now = time.monotonic()
        if now < self._ask_from:
            return False
        if await self._catalog.old_addresses.has_any():
            return True
        self._ask_from = now + LOOKUP_LIFE
        return False


def _shown(shows: Shows, image: Image) -> Shown:
    files = {
        Shows.ORIGINAL: image.original,
        Shows.MEDIUM: image.medium or image.original,
        Shows.THUMB: image.thumb,
        Shows.PAGE: None,
    }
    file = files[shows]
    return Shown(image.id, file and file.key)
