"""Who the client is, through proxies that write its address in many ways."""

import logging

import pytest

from imges.web.connection import proxies
from tests.web.conftest import Server, Start

STRANGER = "203.0.113.9"


@pytest.fixture(autouse=True)
def forgetful() -> None:
    proxies._logged.clear()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (STRANGER, STRANGER),
        (f"{STRANGER}:51234", STRANGER),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:203.0.113.9", STRANGER),
        *((text, None) for text in ("", "unknown", "_hidden", "203.0.113.9:", "1.2.3", "[::1", "a:b", "1.2.3.4:5:6")),
    ],
)
def test_a_forwarded_address_may_have_a_port(text: str, address: str | None):
    found = proxies._hop(text)
    assert (found and str(found)) == address


@pytest.mark.parametrize("hop", ["unknown", "_hidden", "garbage", "999.1.1.1", "127.0.0.1:x", f"{STRANGER}, unknown"])
async def test_a_hop_that_cannot_be_read_is_a_stranger(imges: Server, hop: str, caplog: pytest.LogCaptureFixture):
    """It is not taken for the trusted proxy, which may read the metrics and has no limits."""
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        assert (await imges.get("/metrics", headers={"X-Forwarded-For": hop})).status == 403
    assert caplog.text.count("something else than an address in X-Forwarded-For") == 1
    assert "the proxy 127.0.0.1" in caplog.text
    assert (await imges.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1:1234"})).status == 200
    assert (await imges.get("/metrics", headers={"X-Forwarded-For": f"{STRANGER}:1234"})).status == 403


async def test_clients_that_cannot_be_read_are_limited_together(start: Start):
    async with start(LIMITS__WRONG_KEYS="1/minute") as server:
        for number, hop in enumerate(("unknown", "garbage")):
            answer = await server.get("/api/1/upload?key=wrong&source=x", headers={"X-Forwarded-For": hop})
            assert answer.status == (401 if not number else 429)


async def test_more_hops_than_any_site_has_are_not_looked_at(imges: Server):
    chain = ", ".join([STRANGER, *["127.0.0.1"] * (proxies.MOST_HOPS + 5)])
    assert (await imges.get("/metrics", headers={"X-Forwarded-For": chain})).status == 403
