"""Makes API keys, and finds them in the catalog by a keyed hash of their text."""

import hashlib
import hmac
import os
import re
import secrets
import string
from datetime import datetime
from typing import Self

from imges.catalog import ApiKey, Catalog, Scope, utc_now
from imges.errors import BadParameter

BASE62 = string.digits + string.ascii_letters
KEY_LENGTH = 40


def make_key() -> str:
    """Returns the text of a new API key: 238 random bits in base 62."""
    return "".join(secrets.choice(BASE62) for _ in range(KEY_LENGTH))


def check_key_name(name: str) -> None:
    """Checks the *name* of an API key. Raises `BadParameter` if no key can have it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", name):
        raise BadParameter("names of keys are made of letters, digits and ._@- (at most 64)")


class KeyRing:
    """The API keys of the catalog.

    The catalog stores a keyed hash of each key and never its text, so a stolen copy of the catalog contains no key
    that could be used. The secret of the hash is random for each catalog: nobody can prepare hashes in advance.
    """

    def __init__(self, catalog: Catalog, secret: bytes) -> None:
        self._catalog = catalog
        self._secret = secret

    @classmethod
    async def open(cls, catalog: Catalog) -> Self:
        return cls(catalog, await catalog.secret("api_key_hash", lambda: os.urandom(32)))

    def hash(self, key: str | bytes) -> bytes:
        """Returns the HMAC-SHA256 of *key*. Text is hashed as UTF-8; it may contain lone surrogates."""
        data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
        return hmac.digest(self._secret, data, hashlib.sha256)

    async def find(self, key: str | bytes) -> ApiKey | None:
        """Returns the API key with this text, even if it is disabled or expired; `None` if there is none.

        The lookup compares hashes, not texts. Its duration could only reveal something about a hash, and a client
        cannot compute hashes without the secret.
        """
        return await self._catalog.keys.by_hash(self.hash(key))

    async def add(
        self,
        name: str,
        scope: Scope = Scope.UPLOAD,
        *,
        quota_pictures: int | None = None,
        quota_bytes: int | None = None,
        expires: datetime | None = None,
        enabled: bool = True,
        text: str | None = None,
    ) -> str:
        """Adds an API key and returns its text, which nobody can read again. Without *text* it is made.

        *quota_bytes* is in bytes; `None` means no quota. Raises `ApiKeyNameTaken` if a key has this *name* already.
        """
        text = text or make_key()
        key = ApiKey(
            name,
            scope,
            utc_now(),
            enabled=enabled,
            expires=expires,
            quota_pictures=quota_pictures,
            quota_bytes=quota_bytes,
        )
        await self._catalog.keys.add(key, self.hash(text))
        return text
