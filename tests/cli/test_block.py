"""`imges block`, beside a running server."""

from tests import drawn
from tests.commands import run
from tests.served import Served


def test_blocks_are_added_listed_and_removed(served: Served):
    content = drawn.png(33, 21)
    image = served.upload(content)
    said = run(served.folder, "block", image["md5"].upper(), "203.0.113.9", "2001:db8::/32")
    assert (said.returncode, said.stdout.count("is blocked")) == (0, 3)
    listed = run(served.folder, "block", "--list").stdout
    assert all(what in listed for what in (image["md5"], "203.0.113.9/32", "2001:db8::/32"))
    again = run(served.folder, "block", image["md5"])
    assert (again.returncode, "already" in again.stdout) == (0, True)
    assert run(served.folder, "block", "--remove", image["md5"], "203.0.113.9").returncode == 0
    assert run(served.folder, "block", "203.0.113.9", "--remove").returncode == 1
    assert run(served.folder, "block", "--list").stdout.startswith("2001:db8::/32")
