"""The API keys, as the owner manages them."""

import re
from datetime import datetime

from imges.access.api_keys import KeyRing, check_key_name
from imges.catalog import ApiKey, Catalog, Scope
from imges.errors import BadParameter
from imges.settings.units import size


class KeyManagement:
    """Lists, makes, disables and revokes API keys."""

    def __init__(self, catalog: Catalog, keys: KeyRing) -> None:
        self._catalog = catalog
        self._keys = keys

    async def all(self) -> list[ApiKey]:
        """Returns all keys, by name."""
        return await self._catalog.keys.all()

    async def add(self, name: str, *, admin: bool, quota: str, quota_pictures: str, expires: datetime | None) -> str:
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
        return await self._keys.add(
            name,
            Scope.ADMIN if admin else Scope.UPLOAD,
            quota_pictures=int(quota_pictures) if quota_pictures else None,
            quota_bytes=quota_bytes,
            expires=expires,
        )

    async def set_enabled(self, name: str, *, enabled: bool) -> None:
        """Raises `NoSuchApiKey` if there is none of this name."""
        await self._catalog.keys.set_enabled(name, enabled=enabled)

    async def revoke(self, name: str) -> None:
        """Raises `GuestStays` for the guests' key, and `NoSuchApiKey` if there is none of this name."""
        await self._catalog.keys.remove(name)
