"""A request to upload that comes again, because its answer was lost, gets the answer of the first one."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from imges.catalog import Catalog, Image, State
from imges.errors import Busy, Gone, RequestError
from imges.pictures.drafts import Uploaded

PATIENCE = 20.0
"""Seconds that a request waits for an earlier one with the same id, which is still being processed."""

CHECK_EVERY = 0.2
"""Seconds. The earlier request may run on another node, so the catalog is asked."""

LIFE = timedelta(hours=24)
"""How long an upload id is kept."""

_UNDER_WAY = {State.PENDING, State.WITHDRAWING}


class UploadIdReused(RequestError):
    status, code = 409, 101

    def __init__(self) -> None:
        super().__init__(
            "this Idempotency-Key (or upload_id) came with another picture before; make a new one for each picture"
        )


class Repeating:
    """Finds the answer of an earlier request with the same upload id."""

    def __init__(self, catalog: Catalog, now: Callable[[], datetime]) -> None:
        self._catalog = catalog
        self._now = now

    async def earlier(self, api_key: str, upload_id: str, content: str) -> Uploaded | None:
        """Return what the same API key uploaded with this id. If that is still under way, wait for its end.

        Returns `None` if there was no such upload, or if it failed. *content* is the MD5 digest of what came.

        Raises `UploadIdReused` if the id came with another *content*, `Gone` if the picture is deleted or has expired,
        `Busy` if the earlier upload takes too long, `CatalogUnavailable`.
        """
        patient_until = asyncio.get_running_loop().time() + PATIENCE
        while found := await self._catalog.upload_ids.find(api_key, upload_id):
            if found.content != content:
                raise UploadIdReused
            if found.image is None or found.image.state not in _UNDER_WAY:
                return Uploaded(self._as_answered(found.image), found.delete_token, found.removed, repeated=True)
            if asyncio.get_running_loop().time() > patient_until:
                raise Busy
            await asyncio.sleep(CHECK_EVERY)
        return None

    def _as_answered(self, image: Image | None) -> Image:
        """Return *image* as it was when it was published: without views. Raises `Gone`."""
        if image is None or image.state != State.PUBLISHED:
            raise Gone
        if image.expires is not None and image.expires <= self._now():
            raise Gone
        return replace(image, views=0)

    async def forget_old(self) -> None:
        """Forget the upload ids that are older than `LIFE`. Raises `CatalogUnavailable`."""
        await self._catalog.upload_ids.forget(self._now() - LIFE)
