"""The API keys, as the owner manages them."""

import re
from datetime import datetime

from imges.access.api_keys import KeyRing, check_key_name
from imges.administration.trail import OwnersTrail
from imges.catalog import ApiKey, Catalog, Deed, Scope
from imges.errors import BadParameter
from imges.settings.units import size


class KeyManagement:
    """Lists, makes, disables and revokes API keys. *by* is the name of the key that the owner is signed in with."""

    def __init__(self, catalog: Catalog, keys: KeyRing) -> None:
        self._catalog = catalog
        self._keys = keys
        self._trail = OwnersTrail(catalog)

    async def all(self) -> list[ApiKey]:
        """Returns all keys, by name."""
        return await self._catalog.keys.all()

    async def add(
        self, name: str, *, admin: bool, quota: str, quota_pictures: str, expires: datetime | None, by: str
    ) -> str:
        """Makes a key and returns its text, which cannot be read again.

        Raises `BadParameter` if the name or a quota is wrong, and `ApiKeyNameTaken`.
        """
        check_key_name(name)
        if quota_pictures and not re.fullmatch("[0-9]{1,12}", quota_pictures):
            raise BadParameter("the number of pictures should be a whole number")
        try:
            quota_bytes = size(quota) if quota else None
        except ValueError as error:
            raise BadParameter(f"the quota {error}") from error
        scope = Scope.ADMIN if admin else Scope.UPLOAD
        text = await self._keys.add(
            name,
            scope,
            quota_pictures=int(quota_pictures) if quota_pictures else None,
            quota_bytes=quota_bytes,
            expires=expires,
        )
        await self._trail.note(by, Deed.ADD_KEY, f"{name}, scope {scope}")
        return text

    async def set_enabled(self, name: str, *, enabled: bool, by: str) -> None:
        """Raises `NoSuchApiKey` if there is none of this name."""
        await self._catalog.keys.set_enabled(name, enabled=enabled)
        await self._trail.note(by, Deed.ENABLE_KEY if enabled else Deed.DISABLE_KEY, name)

    async def revoke(self, name: str, *, by: str) -> None:
        """Raises `GuestStays` for the guests' key, and `NoSuchApiKey` if there is none of this name."""
        await self._catalog.keys.remove(name)
        await self._trail.note(by, Deed.REVOKE_KEY, name)
