"""Pictures change: what is written about them, and when they end."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypedDict

from imges.catalog import GUEST, ApiKey, Catalog, Image, Scope
from imges.errors import BadParameter, Gone
from imges.pictures.background import Background
from imges.pictures.drafts import MOST_TAGS, token_hash
from imges.pictures.finding import Finding
from imges.pictures.lifetimes import end_of_edit
from imges.pictures.refusals import NotYours
from imges.settings import Settings


class Changes(TypedDict, total=False):
    """What to change of a picture. A name that is left out stays as it is; `None` or an empty value clears it.

    *expiration* counts from now. *tags_add* and *tags_remove* come after *tags*.
    """

    title: str | None
    description: str | None
    tags: tuple[str, ...]
    tags_add: tuple[str, ...]
    tags_remove: tuple[str, ...]
    nsfw: bool
    expiration: timedelta | None


@dataclass(frozen=True, slots=True)
class Asker:
    """The one that asks for a change: by an API key, or by the delete token of the picture."""

    key: ApiKey | None = None
    token: str | None = None

    def owns(self, name: str, token: bytes | None) -> bool:
        """Return whether it may change what belongs to the API key *name*, or to the token with the hash *token*.

        All guests share one key, so that key owns nothing.
        """
        if self.key is not None and (self.key.scope is Scope.ADMIN or (self.key.name == name and name != GUEST)):
            return True
        return self.token is not None and token is not None and hmac.compare_digest(token, token_hash(self.token))


class Changing:
    """Edits pictures."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        finding: Finding,
        background: Background,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._finding = finding
        self._background = background
        self._now = now

    async def owned(self, image_id: str, asker: Asker) -> Image:
        """Return the picture, if *asker* may change and delete it. Raises `NotFound`, `Gone`, `NotYours`."""
        image = await self._finding.by_id(image_id)
        if not asker.owns(image.api_key, image.delete_token_hash):
            raise NotYours("picture")
        return image

    async def edit(self, image: Image, changes: Changes) -> Image:
        """Return the picture as it is after *changes*, which are durable then.

        Caches may keep the file for as long as the picture was to live before.

        Raises `BadParameter` for a life that the site does not allow or too many tags, `Gone`, `CatalogUnavailable`.
        """
        limits, now = self._settings.images.expire, self._now()
        changed = dict(changes)
        if "expiration" in changes:
            changed["expires"] = end_of_edit(limits, image, changes["expiration"], now)
        for name in ("expiration", "tags", "tags_add", "tags_remove"):
            changed.pop(name, None)
        edited = await self._background.to_the_end(
            self._apply(image, lambda row: replace(row, tags=_tags(row.tags, changes), **changed))
        )
        if edited is None:
            raise Gone
        return edited

    async def _apply(self, image: Image, change: Callable[[Image], Image]) -> Image | None:
        """Lookups are forgotten even if the catalog fails: the row may have changed although the answer is lost."""
        try:
            return await self._catalog.edits.apply(image.number, change)
        finally:
            self._finding.forget([image])


def _tags(present: tuple[str, ...], changes: Changes) -> tuple[str, ...]:
    """Return the tags after *changes*. Tags that differ only in case are one."""
    wanted = {tag.casefold(): tag for tag in (*changes.get("tags", present), *changes.get("tags_add", ()))}
    for tag in changes.get("tags_remove", ()):
        wanted.pop(tag.casefold(), None)
    if len(wanted) > MOST_TAGS:
        raise BadParameter(f"tags: at most {MOST_TAGS}", field="tags", limit=MOST_TAGS)
    return tuple(wanted.values())
