"""Commands with arguments that nobody means, and commands that are told to end."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import pictures
from tests.maintenance.commands import environment, run
from tests.served import IMGES, serving

NOT_UTF8 = "\udcff"
"""The byte 255 in an argument, as Python has it."""
HUGE = "9" * 30


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
def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path, arguments: list[str]):
    said = run(tmp_path, *arguments)
    assert (said.returncode, "Error: Invalid value for" in said.stderr) == (2, True), said.stderr
    assert "Traceback" not in said.stderr
    if arguments[-1] in {HUGE, str(2**63)}:
        assert str(2**63 - 1) in said.stderr


@pytest.mark.parametrize("option", ["--quota", "--quota-pictures"])
def test_the_most_that_can_be_counted_is_a_quota(tmp_path: Path, option: str):
    assert run(tmp_path, "keys", "add", "a", option, str(2**63 - 1)).returncode == 0
    assert f"{2**63 - 1} pictures" in run(tmp_path, "keys", "list").stdout


def test_a_backup_of_any_name_is_told(tmp_path: Path):
    assert run(tmp_path, "keys", "list").returncode == 0
    strict = environment({}) | {"PYTHONIOENCODING": "utf-8:strict"}
    made = subprocess.run([*IMGES, "backup", NOT_UTF8], cwd=tmp_path, env=strict, capture_output=True, check=False)
    assert (made.returncode, made.stderr) == (0, b"")
    assert (tmp_path / NOT_UTF8).is_file()


@pytest.mark.parametrize("before", [(), ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")], ids=["alone", "of a script"])
def test_upkeep_that_is_ended_leaves_nothing_and_is_run_again(tmp_path: Path, before: tuple[str, ...]):
    """What a script starts in the background ignores SIGINT."""
    attic = {"STORAGES__ATTIC__TYPE": "datefolder", "STORAGES__ATTIC__ROOT": "attic"}
    with serving(tmp_path, **attic) as served:
        served.upload(pictures.encoded(pictures.noise(100, 100), "PNG"))
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
