"""Sessions of owners. Nothing is stored: the browser keeps a signed ticket, which is valid no longer than its key.

A ticket is the hash of the API key, the time of signing in, and random bytes, with an HMAC of all three.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from imges.access.access import Access
from imges.access.limits import IPAddress
from imges.catalog import ApiKey
from imges.errors import KeyUnusable, KeyWrong

SESSION_LIFE = timedelta(hours=12)
"""Counted from signing in. Using the session does not extend it."""

HASH_SIZE = MAC_SIZE = 32
TIME_SIZE = 8
NONCE_SIZE = 16


@dataclass(frozen=True, slots=True)
class Session:
    """An owner who is signed in with *key*. Each of their forms has to bring *token*, which no other site can know."""

    key: ApiKey
    token: str


class Sessions:
    """Issues and checks tickets. All nodes sign them with the same *secret*; *now* is the clock."""

    def __init__(self, access: Access, secret: bytes, now: Callable[[], datetime]) -> None:
        self._access = access
        self._secret = secret
        self._now = now

    async def begin(self, key: str, address: IPAddress | None) -> str:
        """Returns a ticket for *key*, presented from *address*.

        Raises `KeyWrong`, `KeyUnusable` or `TooManyRequests` if the key may not sign in from there now.
        """
        await self._access.administrator(key, address)
        seconds = int(self._now().timestamp()).to_bytes(TIME_SIZE)
        body = self._access.keys.hash(key) + seconds + secrets.token_bytes(NONCE_SIZE)
        return urlsafe_b64encode(body + self._sign("ticket", body)).decode().rstrip("=")

    async def of(self, ticket: str) -> Session | None:
        """Returns the session of *ticket*; `None` if it is forged or too old, or its key may not sign in any more."""
        try:
            raw = urlsafe_b64decode(ticket.encode("ascii") + b"==")
        except (Base64Error, ValueError):
            return None
        body, mac = raw[:-MAC_SIZE], raw[-MAC_SIZE:]
        if not hmac.compare_digest(mac, self._sign("ticket", body)) or len(body) != HASH_SIZE + TIME_SIZE + NONCE_SIZE:
            return None
        began = datetime.fromtimestamp(int.from_bytes(body[HASH_SIZE : HASH_SIZE + TIME_SIZE]), UTC)
        if not began <= self._now() + timedelta(minutes=1) <= began + SESSION_LIFE + timedelta(minutes=1):
            return None
        try:
            key = await self._access.administrator_of(body[:HASH_SIZE])
        except (KeyWrong, KeyUnusable):
            return None
        return Session(key, self._sign("form", body).hex())

    def _sign(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, purpose.encode() + b"\0" + body, hashlib.sha256)
