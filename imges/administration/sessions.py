"""Sessions of owners: signed tickets, which browsers keep. The catalog has only those that were ended early.

A ticket is the hash of the API key, the time of signing in, the time of the last use, and random bytes, with an HMAC of
all four. The session is all of that but the last use: a ticket with a newer last use is the same session.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from imges import metrics
from imges.access.access import Access
from imges.access.limits import IPAddress
from imges.administration.trail import OwnersTrail
from imges.catalog import ApiKey, Catalog, Deed
from imges.errors import KeyUnusable, KeyWrong, RequestError

SESSION_LIFE = timedelta(hours=12)
"""Counted from signing in. Using the session does not extend it."""

IDLE_LIFE = timedelta(hours=1)
"""Counted from the last use."""

RENEWED_AFTER = timedelta(minutes=1)
"""A use after this time gets a new ticket. So the last use is exact to a minute."""

SKEW = timedelta(minutes=1)
"""By how much the clocks of two nodes may differ."""

HASH_SIZE = MAC_SIZE = 32
TIME_SIZE = 8
NONCE_SIZE = 16
TICKET_SIZE = HASH_SIZE + 2 * TIME_SIZE + NONCE_SIZE + MAC_SIZE


@dataclass(frozen=True, slots=True)
class Session:
    """An owner who is signed in with *key*. Each of their forms has to bring *token*, which no other site can know."""

    key: ApiKey
    token: str
    hash: bytes
    """By which the catalog knows the session after it was ended."""
    renewed: str | None = None
    """The ticket to keep instead of the one that was sent; `None`: keep that one."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket contains, beside its signature."""

    key_hash: bytes
    began: datetime
    used: datetime
    nonce: bytes

    @property
    def session(self) -> bytes:
        """The bytes that stay the same as long as the session lasts."""
        return self.key_hash + _time(self.began) + self.nonce

    @property
    def body(self) -> bytes:
        return self.key_hash + _time(self.began) + _time(self.used) + self.nonce

    def is_valid(self, now: datetime) -> bool:
        began, used = self.began - SKEW, self.used - SKEW
        return began <= now <= self.began + SESSION_LIFE and used <= now <= self.used + IDLE_LIFE


class Sessions:
    """Issues, checks and ends tickets. All nodes sign them with the same *secret*; *now* is the clock."""

    def __init__(self, access: Access, catalog: Catalog, secret: bytes, now: Callable[[], datetime]) -> None:
        self._access = access
        self._ended = catalog.ended_sessions
        self._trail = OwnersTrail(catalog)
        self._secret = secret
        self._now = now

    async def begin(self, key: str, address: IPAddress | None) -> str:
        """Returns a ticket for *key*, presented from *address*.

        Raises `KeyWrong`, `KeyUnusable` or `TooManyRequests` if the key may not sign in from there now.
        """
        try:
            found = await self._access.administrator(key, address)
        except RequestError as error:
            metrics.sign_in(type(error).__name__)
            raise
        metrics.sign_in("good")
        await self._trail.note(found.name, Deed.SIGN_IN)
        now = self._now()
        return self._written(Ticket(self._access.keys.hash(key), now, now, secrets.token_bytes(NONCE_SIZE)))

    async def of(self, written: str) -> Session | None:
        """Returns the session of the ticket *written*.

        Returns `None` if the ticket is forged, too old or ended, or if its key may not sign in any more.
        """
        ticket, now = self._read(written), self._now()
        if ticket is None or not ticket.is_valid(now):
            return None
        session_hash = self._sign("ended", ticket.session)
        if await self._ended.has_ended(session_hash, ticket.key_hash, ticket.began):
            return None
        try:
            key = await self._access.administrator_of(ticket.key_hash)
        except (KeyWrong, KeyUnusable):
            return None
        renewed = None
        if now - ticket.used >= RENEWED_AFTER:
            renewed = self._written(Ticket(ticket.key_hash, ticket.began, now, ticket.nonce))
        return Session(key, self._sign("form", ticket.session).hex(), session_hash, renewed)

    async def end(self, session: Session) -> None:
        """Ends *session* on all nodes, and all of its tickets with it."""
        await self._ended.end(session.hash)
        await self._trail.note(session.key.name, Deed.SIGN_OUT)

    async def confirm(self, session: Session, key: str, address: IPAddress | None) -> None:
        """Checks that the owner of *session* has entered its *key* again.

        Raises `KeyWrong` if *key* is another one, and what `begin` raises.
        """
        if (await self._access.administrator(key, address)).name != session.key.name:
            raise KeyWrong("this is not the API key that you signed in with")

    def _written(self, ticket: Ticket) -> str:
        return urlsafe_b64encode(ticket.body + self._sign("ticket", ticket.body)).decode().rstrip("=")

    def _read(self, written: str) -> Ticket | None:
        """Returns the ticket of that text; `None` if we have not signed it."""
        try:
            raw = urlsafe_b64decode(written.encode("ascii") + b"==")
        except (Base64Error, ValueError):
            return None
        body, mac = raw[:-MAC_SIZE], raw[-MAC_SIZE:]
        if not hmac.compare_digest(mac, self._sign("ticket", body)) or len(raw) != TICKET_SIZE:
            return None
        rest = body[HASH_SIZE:]
        began, used = (
            datetime.fromtimestamp(int.from_bytes(part), UTC)
            for part in (rest[:TIME_SIZE], rest[TIME_SIZE : 2 * TIME_SIZE])
        )
        return Ticket(body[:HASH_SIZE], began, used, rest[2 * TIME_SIZE :])

    def _sign(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, purpose.encode() + b"\0" + body, hashlib.sha256)


def _time(moment: datetime) -> bytes:
    """Returns the whole seconds of *moment*."""
    return int(moment.timestamp()).to_bytes(TIME_SIZE)
