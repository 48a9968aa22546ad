"""What `imges check --public` says about the address that the server kept. `test_check_public` asks real servers."""

import pytest

from imges.cli.check_public import FORGED, _judged_address
from imges.settings import load_settings

SETTINGS = load_settings(environ={"IMGES__SERVER__TRUSTED_PROXIES": "[127.0.0.0/8, 198.51.100.9, 9.9.9.9]"})


@pytest.mark.parametrize(
    ("ours", "seen", "grade", "words"),
    [
        ("127.0.0.1", "192.0.2.7", "note", "cannot be seen"),
        ("127.0.0.1", FORGED, "note", "cannot be seen"),
        ("192.0.2.7", FORGED, "WRONG", "believes what a client says"),
        ("192.0.2.7", None, "WRONG", "sees the proxy (by its socket)"),
        ("192.0.2.7", "198.51.100.9", "WRONG", "sees the proxy (198.51.100.9)"),
        ("8.8.8.8", "10.0.0.5", "WRONG", "inside your network"),
        ("10.0.0.5", "10.0.0.5", "good", "address is seen: 10.0.0.5"),
        ("8.8.8.8", "0.0.0.0", "WRONG", "forwards no address"),
        ("9.9.9.9", "9.9.9.9", "WRONG", "9.9.9.9, a public address"),
        ("8.8.8.8", "8.8.4.4", "good", "address is seen: 8.8.4.4"),
    ],
)
def test_the_address_that_the_server_kept_is_judged(ours: str, seen: str | None, grade: str, words: str):
    found = _judged_address(SETTINGS, ours=ours, seen=seen)
    assert (found.grade, words in found.found) == (grade, True), found
