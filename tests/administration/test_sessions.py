"""Tickets of owners: how long they are valid, and that nobody else can make one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest

from imges.administration.sessions import IDLE_LIFE, SESSION_LIFE, Sessions
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
    return Sessions(library.access, library.pictures.catalog, SECRET, clock)


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


async def used(sessions: Sessions, clock: Clock, ticket: str, until: timedelta) -> str:
    """Uses the session every half hour *until* that time after its begin, and returns its last ticket."""
    while clock.now + IDLE_LIFE / 2 <= BEGAN + until:
        clock.now += IDLE_LIFE / 2
        session = await sessions.of(ticket)
        assert session
        assert session.renewed
        ticket = session.renewed
    return ticket


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
    ticket = await used(sessions, clock, await sessions.begin(key, None), after)
    clock.now = BEGAN + after
    assert (await sessions.of(ticket) is not None) is valid


@pytest.mark.parametrize(("idle", "valid"), [(IDLE_LIFE, True), (IDLE_LIFE + timedelta(seconds=1), False)])
async def test_a_session_that_is_not_used_ends_after_an_hour(
    sessions: Sessions, key: str, clock: Clock, idle: timedelta, valid: bool
):
    ticket = await used(sessions, clock, await sessions.begin(key, None), timedelta(hours=2))
    clock.now += idle
    assert (await sessions.of(ticket) is not None) is valid


async def test_a_renewed_ticket_is_the_same_session(sessions: Sessions, key: str, clock: Clock):
    """A form that was open before still has the right token, and signing out ends each of the tickets."""
    first = await sessions.begin(key, None)
    before = await sessions.of(first)
    second = await used(sessions, clock, first, timedelta(minutes=30))
    after = await sessions.of(second)
    assert before
    assert after
    assert (before.renewed, after.renewed, before.token) == (None, None, after.token)
    other = await sessions.begin(key, None)
    await sessions.end(after)
    assert [await sessions.of(ticket) is not None for ticket in (first, second, other)] == [False, False, True]


async def test_a_session_stays_ended_when_its_key_works_again(
    library: Library, sessions: Sessions, key: str, clock: Clock
):
    keys, clock.now = library.pictures.catalog.keys, datetime.now(UTC)  # the catalog's clock is the real one
    ticket = await sessions.begin(key, None)
    await keys.set_enabled("owner", enabled=False)
    await keys.set_enabled("owner", enabled=True)
    assert await sessions.of(ticket) is None
    clock.now += timedelta(seconds=2)
    assert await sessions.of(await sessions.begin(key, None))


async def test_the_key_of_the_session_is_the_one_to_enter_again(library: Library, sessions: Sessions, key: str):
    session = await sessions.of(await sessions.begin(key, None))
    assert session
    await sessions.confirm(session, key, None)
    other = await library.access.keys.add("other", Scope.ADMIN)
    for wrong in ("", "wrong", other):
        with pytest.raises(KeyWrong):
            await sessions.confirm(session, wrong, None)


async def test_a_ticket_ends_with_its_key(library: Library, sessions: Sessions, key: str):
    ticket = await sessions.begin(key, None)
    await library.pictures.catalog.keys.remove("owner")
    assert await sessions.of(ticket) is None


async def test_a_ticket_of_another_site_is_not_valid(library: Library, sessions: Sessions, clock: Clock, key: str):
    ticket = await Sessions(library.access, library.pictures.catalog, b"o" * 32, clock).begin(key, None)
    assert await sessions.of(ticket) is None


async def test_every_byte_of_a_ticket_is_signed(sessions: Sessions, key: str):
    raw = urlsafe_b64decode(await sessions.begin(key, None) + "==")
    assert len(raw) == 32 + 8 + 8 + 16 + 32
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
