"""`imges keys`, beside a running server."""

import getpass
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.uploads import uploaded
from tests.commands import run
from tests.served import Served


def test_a_key_lives_from_add_to_revoke(served: Served):
    added = run(served.folder, "keys", "add", "laptop")
    key = added.stdout.strip()
    assert re.fullmatch(r"\w{40}", key)
    assert uploaded(served, key) == 200
    assert run(served.folder, "keys", "disable", "laptop").returncode == 0
    assert uploaded(served, key) == 403
    assert run(served.folder, "keys", "enable", "laptop").returncode == 0
    assert uploaded(served, key) == 200
    listed = run(served.folder, "keys", "list").stdout
    assert "laptop" in listed
    assert key not in listed
    assert run(served.folder, "keys", "revoke", "laptop").returncode == 0
    assert uploaded(served, key) == 401
    with closing(sqlite3.connect(served.folder / "data" / "imges.db")) as catalog:
        trail = catalog.execute("SELECT actor, deed, subject FROM trail WHERE subject LIKE 'laptop%'").fetchall()
    assert {actor for actor, _, _ in trail} == {f"{getpass.getuser()} on the server"}
    assert [deed for _, deed, _ in trail] == ["add key", "disable key", "enable key", "revoke key"]


def test_a_quota_and_an_expiry_end_a_key(served: Served):
    few = run(served.folder, "keys", "add", "few", "--quota", "1").stdout.strip()
    assert [uploaded(served, few), uploaded(served, few)] == [200, 403]
    little = run(served.folder, "keys", "add", "little", "--quota", "1 KB").stdout.strip()
    assert {uploaded(served, little) for _ in range(9)} == {200, 403}
    both = ("--quota", "1 GB", "--quota-pictures", "2")
    two = run(served.folder, "keys", "add", "two", *both).stdout.strip()
    assert [uploaded(served, two) for _ in range(3)] == [200, 200, 403]
    assert "1 GB, 2 pictures" in run(served.folder, "keys", "list").stdout
    old = run(served.folder, "keys", "add", "old", "--expires", "2100-01-01").stdout.strip()
    with closing(sqlite3.connect(served.folder / "data/imges.db", timeout=10)) as db, db:
        db.execute("UPDATE api_keys SET expires = 1 WHERE name = 'old'")
    assert uploaded(served, old) == 403
    assert re.search(r"old .* expired ", run(served.folder, "keys", "list").stdout)


@pytest.mark.parametrize("option", ["--quota", "--quota-pictures"])
def test_the_largest_number_of_a_database_is_a_valid_quota(tmp_path: Path, option: str):
    assert run(tmp_path, "keys", "add", "a", option, str(2**63 - 1)).returncode == 0
    assert f"{2**63 - 1} pictures" in run(tmp_path, "keys", "list").stdout
