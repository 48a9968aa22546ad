"""Pictures by their id, and objects by their key, as far as they may be shown."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cachetools import TTLCache

from imges import metrics
from imges.catalog import Catalog, Image, StoredFile
from imges.errors import CatalogUnavailable, Gone, NotFound
from imges.imaging import MEDIA_TYPES
from imges.settings import Settings
from imges.storage import CHECK_PREFIX, Address, KeyMissing, Storage, StorageError, StorageUnavailable
from imges.storage.places import Place, place_named

log = logging.getLogger(__name__)

LOOKUP_LIFE = 30.0
"""Seconds that another node may still serve a picture that was deleted here."""

LOOKUPS = 10_000
"""Object keys whose rows are kept in memory."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where an object is. *file* and its times are unknown while the catalog is out of reach.

    *address* is where clients are sent for it. If it is `None`, this process sends the bytes itself.
    """

    place: str
    """The name of its storage in the settings."""
    storage: Storage
    key: str
    media_type: str
    file: StoredFile | None
    created: datetime | None = None
    expires: datetime | None = None
    address: Address | None = None
    row: Image | None = None
    """The row that was looked up; see `Finding.is_current`."""


class Finding:
    """Looks pictures up in the catalog, and remembers the rows of object keys for `LOOKUP_LIFE`."""

    def __init__(
        self, settings: Settings, catalog: Catalog, places: Mapping[str, Place], now: Callable[[], datetime]
    ) -> None:
        self.on_gone: Callable[[list[str]], None] = lambda _: None
        """Called with object keys that are gone, for the other processes of this machine."""
        self._settings = settings
        self._catalog = catalog
        self._places = places
        self._now = now
        self._rows = TTLCache[str, Image](maxsize=LOOKUPS, ttl=LOOKUP_LIFE)
        self._times_forgotten = 0
        self._origins: dict[str, str] = {}
        self._asked: set[str] = set()

    async def by_id(self, image_id: str) -> Image:
        """Return the published picture. Raises `NotFound`, `Gone`, `CatalogUnavailable`."""
        return await self._catalog.published.by_id(image_id, self._now())

    def storage_type(self, image: Image) -> str:
        """Return the `type` of the place of *image*, as the settings have it."""
        return place_named(self._places, image.place).kind

    # Objects

    async def locate(self, key: str) -> Located:
        """Return where the object *key* is.

        While the catalog is out of reach, the present place is asked, then the others.

        Raises `NotFound`, `Gone`, `StorageUnavailable`.
        """
        try:
            row = await self._row_of(key)
        except CatalogUnavailable:
            return await self._locate_without_catalog(key)
        file = row.file(key)
        if file is None:
            raise NotFound
        storage = place_named(self._places, row.place).storage
        address = await storage.url(key, expires=row.expires)
        if address and row.place not in self._origins:
            self._origins[row.place] = _origin(address)
            return await self.locate(key)  # from now on rows of this place are not remembered
        return Located(row.place, storage, key, row.media_type, file, row.created, row.expires, address, row)

    def is_current(self, found: Located) -> bool:
        """Return whether *found* may be served without another lookup: it is recent and was not forgotten since."""
        if found.row is None or self._rows.get(found.key) is not found.row:
            return False
        metrics.lookup(hit=True)
        return found.expires is None or found.expires > self._now()

    async def _row_of(self, key: str) -> Image:
        row = self._rows.get(key)
        metrics.lookup(hit=row is not None)
        if row is None or row.place in self._origins:  # a redirect has to name the place where the picture is now
            before = self._times_forgotten
            row = await self._catalog.published.by_key(key, self._now())
            if before == self._times_forgotten:  # else it may have been read just before it was deleted
                self._rows[key] = row
        elif row.expires is not None and row.expires <= self._now():
            raise Gone
        return row

    async def _locate_without_catalog(self, key: str) -> Located:
        media_type = MEDIA_TYPES.get(key.rpartition(".")[2])
        if media_type is None:
            raise NotFound
        present, unknown = self._settings.storage, False
        for name in sorted(self._places, key=lambda name: name != present):
            storage = self._places[name].storage
            try:
                await storage.stat(key)
            except (KeyMissing, ValueError):
                continue
            except StorageError as error:
                log.warning("it could not be asked for an object: %s", error.for_owner(name))
                unknown = True
                continue
            return Located(name, storage, key, media_type, None)
        raise StorageUnavailable if unknown else NotFound

    # What is remembered

    def forget(self, rows: Iterable[Image]) -> None:
        """Look the objects of *rows* up again from now on, here and in the other processes of this machine."""
        keys = [file.key for row in rows for file in row.files()]
        for key in keys:
            self.forget_key(key)
        self.on_gone(keys)

    def forget_key(self, key: str) -> None:
        """Look *key* up again: it is gone, or its object was not where the row said."""
        self._times_forgotten += 1
        self._rows.pop(key, None)

    # Where clients are sent

    async def redirect_origins(self) -> tuple[str, ...]:
        """Return the origins (scheme, host and port) that places send clients to.

        The origin of a place that is out of reach is not known yet.
        """
        for place in self._places.values():
            if place.name not in self._asked:
                with suppress(StorageError):
                    address = await place.storage.url(f"{CHECK_PREFIX}address")
                    self._asked.add(place.name)
                    if address:
                        self._origins[place.name] = _origin(address)
        return tuple(dict.fromkeys(self._origins.values()))


def _origin(address: Address) -> str:
    """Return scheme, host and port."""
    parts = urlsplit(address.url)
    return f"{parts.scheme}://{parts.netloc}"
