"""The `imges` command: wrong commands, impossible arguments, and commands that are ended by a signal."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import drawn
from tests.commands import environment, run
from tests.served import IMGES, Served, serving

NOT_UTF8 = "\udcff"
"""The byte 255 in an argument, as Python decodes it."""
HUGE = "9" * 30


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["keys", "revoke", "guest"], 1),
        (["keys", "revoke", "nobody"], 1),
        (["keys", "add", "guest"], 1),
        (["keys", "add", "x y"], 2),
        (["keys", "add", "x", "--quota", "much"], 2),
        (["keys", "add", "x", "--quota", "5", "--quota-pictures", "5"], 2),
        (["block"], 2),
        (["block", "everybody"], 2),
        (["block", "192.0.2.7", "--list"], 2),
        (["block", "--list", "--remove"], 2),
        (["delete"], 2),
        (["delete", "nothing"], 1),
        (["delete", "--address", "everywhere"], 2),
        (["upload"], 2),
        (["nothing"], 2),
        (["check", "--settings", "missing.yaml"], 2),
    ],
)
def test_a_wrong_command_is_refused_without_a_traceback(served: Served, arguments: list[str], status: int):
    said = run(served.folder, *arguments)
    assert said.returncode == status
    assert said.stderr.strip()
    assert "Traceback" not in said.stderr


def test_version():
    assert re.fullmatch(r"imges \d+\.\d+\.\d+\n", run(Path.cwd(), "version").stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "add", "a", "--quota", HUGE],
        ["keys", "add", "a", "--quota", str(2**63)],
        ["keys", "add", "a", "--quota", "9" * 5000],
        ["keys", "add", "a", "--quota", f"{HUGE} GB"],
        ["keys", "add", "a", "--quota-pictures", HUGE],
        ["keys", "add", "a", "--quota-pictures", str(2**63)],
        ["keys", "add", "a", "--quota-pictures", "-1"],
        ["keys", "add", NOT_UTF8],
        ["keys", "enable", NOT_UTF8],
        ["keys", "disable", NOT_UTF8],
        ["keys", "revoke", NOT_UTF8],
        ["keys", "revoke", ""],
        ["delete", "--key", NOT_UTF8],
    ],
    ids=lambda arguments: " ".join(arguments)[:40].encode("utf-8", "backslashreplace").decode(),
)
def test_an_impossible_argument_is_refused_in_a_sentence(tmp_path: Path, arguments: list[str]):
    said = run(tmp_path, *arguments)
    assert (said.returncode, "Error: Invalid value for" in said.stderr) == (2, True), said.stderr
    assert "Traceback" not in said.stderr
    if arguments[-1] in {HUGE, str(2**63)}:
        assert str(2**63 - 1) in said.stderr


@pytest.mark.parametrize("before", [(), ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")], ids=["alone", "of a script"])
def test_a_command_that_is_ended_leaves_nothing_and_can_be_run_again(tmp_path: Path, before: tuple[str, ...]):
    """A job in the background of a script ignores SIGINT."""
    attic = {"STORAGES__ATTIC__TYPE": "datefolder", "STORAGES__ATTIC__ROOT": "attic"}
    with serving(tmp_path, **attic) as served:
        served.upload(drawn.encoded(drawn.noise(100, 100), "PNG"))
    there, deadline = set((tmp_path / "data").iterdir()), time.monotonic() + 60
    slowly = [*before, *IMGES, "migrate", "--to", "attic", "--bandwidth", "100B"]
    with subprocess.Popen(slowly, cwd=tmp_path, env=environment(attic), stderr=subprocess.PIPE) as process:
        try:
            while not list((tmp_path / "data").glob("upkeep-*/tmp*/*")):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.001)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, said) == (-signal.SIGTERM, b"")
    assert set((tmp_path / "data").iterdir()) <= there
    assert run(tmp_path, "migrate", "--to", "attic", **attic).returncode == 0
    assert run(tmp_path, "fsck", "--digests", **attic).stdout == "nothing is wrong\n"
