"""Tickets of owners: how long they are valid, and that nobody else can make one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest

from imges.administration.sessions import SESSION_LIFE, Sessions
from imges.catalog import Scope
from imges.errors import KeyUnusable, KeyWrong
from tests.maintenance.collection import Library

BEGAN = datetime(2026, 6, 4, 12, tzinfo=UTC)
SECRET = b"s" * 32


class Clock:
    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(library: Library, clock: Clock) -> Sessions:
    return Sessions(library.access, SECRET, clock)


@pytest.fixture
async def key(library: Library) -> str:
    return await library.access.keys.add("owner", Scope.ADMIN)


async def test_a_ticket_is_the_session_of_its_key(sessions: Sessions, key: str):
    first, second = await sessions.begin(key, None), await sessions.begin(key, None)
    one, other = await sessions.of(first), await sessions.of(second)
    assert one
    assert other
    assert one.key.name == other.key.name == "owner"
    assert one.token != other.token
    again = await sessions.of(first)
    assert again
    assert again.token == one.token


async def test_keys_that_may_not_administer_get_no_ticket(library: Library, sessions: Sessions):
    uploader = await library.access.keys.add("uploader", Scope.UPLOAD)
    with pytest.raises(KeyUnusable):
        await sessions.begin(uploader, None)
    with pytest.raises(KeyWrong):
        await sessions.begin("no such key", None)


@pytest.mark.parametrize(
    ("after", "valid"),
    [
        (timedelta(0), True),
        (SESSION_LIFE, True),
        (SESSION_LIFE + timedelta(seconds=1), False),
        (-timedelta(minutes=1), True),  # the clock of another node is behind
        (-timedelta(minutes=1, seconds=1), False),
    ],
)
async def test_a_ticket_is_valid_for_half_a_day(
    sessions: Sessions, key: str, clock: Clock, after: timedelta, valid: bool
):
    ticket = await sessions.begin(key, None)
    clock.now = BEGAN + after
    assert (await sessions.of(ticket) is not None) is valid


async def test_a_ticket_ends_with_its_key(library: Library, sessions: Sessions, key: str):
    ticket = await sessions.begin(key, None)
    await library.pictures.catalog.keys.remove("owner")
    assert await sessions.of(ticket) is None


async def test_a_ticket_of_another_site_is_not_valid(library: Library, sessions: Sessions, clock: Clock, key: str):
    ticket = await Sessions(library.access, b"o" * 32, clock).begin(key, None)
    assert await sessions.of(ticket) is None


async def test_every_byte_of_a_ticket_is_signed(sessions: Sessions, key: str):
    raw = urlsafe_b64decode(await sessions.begin(key, None) + "==")
    assert len(raw) == 32 + 8 + 16 + 32
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1
        assert await sessions.of(urlsafe_b64encode(changed).decode()) is None


@pytest.mark.parametrize("ticket", ["", "x", "é", "====", "A" * 200, "A" * 117])
async def test_what_is_no_ticket_has_no_session(sessions: Sessions, ticket: str):
    assert await sessions.of(ticket) is None


async def test_the_token_of_forms_is_no_ticket(sessions: Sessions, key: str):
    """Both are signed with one secret: a signature for one purpose must not serve the other."""
    ticket = await sessions.begin(key, None)
    session = await sessions.of(ticket)
    assert session
    body = urlsafe_b64decode(ticket + "==")[:-32]
    forged = urlsafe_b64encode(body + bytes.fromhex(session.token)).decode()
    assert await sessions.of(forged) is None
