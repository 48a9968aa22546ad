"""What a browser keeps to see an album with a password, or to edit an album: tickets that only this site can make.

A ticket is the day of its making and an HMAC over the album's id, that day, and the hash of the password or of the edit
token. So a new password ends all tickets to see the album, and none has to be stored.
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from imges.catalog import Album, Catalog
from imges.pictures.passwords import is_right

Purpose = Literal["see", "edit"]

DAYS: dict[Purpose, int] = {"see": 30, "edit": 1}
"""How long a ticket holds."""


class AlbumLocks:
    """Makes tickets and checks them."""

    def __init__(self, catalog: Catalog, now: Callable[[], datetime]) -> None:
        self._catalog = catalog
        self._now = now
        self._secret: bytes | None = None

    async def is_password(self, album: Album, text: str) -> bool:
        """Return whether *text* is the password of *album*."""
        return album.password is not None and await is_right(text, album.password)

    async def ticket(self, album: Album, purpose: Purpose) -> str:
        """Return a ticket for *album*, from today on."""
        day = self._today
        return f"{day}.{await self._mark(album, purpose, day)}"

    async def is_ticket(self, album: Album, purpose: Purpose, text: str | None) -> bool:
        """Return whether *text* is a ticket for *album* that still holds."""
        day, _, mark = (text or "").partition(".")
        if not (day.isascii() and day.isdigit() and len(day) < 9) or not mark.isascii():
            return False
        if not 0 <= self._today - int(day) <= DAYS[purpose]:
            return False
        return hmac.compare_digest(mark, await self._mark(album, purpose, int(day)))

    @property
    def _today(self) -> int:
        return int(self._now().timestamp()) // 86_400

    async def _mark(self, album: Album, purpose: Purpose, day: int) -> str:
        if self._secret is None:
            self._secret = await self._catalog.secret("albums", lambda: os.urandom(32))
        of_album = album.password if purpose == "see" else album.edit_token_hash
        text = f"{purpose} {album.id} {day} ".encode() + (of_album or b"")
        return hmac.digest(self._secret, text, hashlib.sha256).hex()
