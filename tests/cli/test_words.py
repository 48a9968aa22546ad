"""What the commands print: for people, for programs, and for terminals without colours."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from imges.cli.main import COMMANDS
from tests import drawn
from tests.commands import environment, run
from tests.served import IMGES, Served


def test_summaries_are_whole_and_the_version_is_an_option():
    said = run(Path.cwd(), "--help").stdout
    assert not re.search(r"\w\.\.\.$", said, re.MULTILINE)
    assert all(f"\n  {name} " in said for name in COMMANDS)
    assert run(Path.cwd(), "--version").stdout == run(Path.cwd(), "version").stdout


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_nobody_wants_them(tmp_path: Path, variables: dict[str, str]):
    script = ["script", "--quiet", "--return", "--command", f"{' '.join(IMGES)} check", "/dev/null"]
    seen = [
        subprocess.run(script, cwd=tmp_path, env=environment({}) | more, capture_output=True, check=False).stdout
        for more in ({"TERM": "xterm"}, variables)
    ]
    assert [b"\x1b[" in output for output in seen] == [True, False]


def test_json_for_programs(served: Served):
    image = served.upload(drawn.png())
    folder = served.folder
    (key,) = json.loads(run(folder, "keys", "list", "--json").stdout)
    assert (key["name"], key["state"], key["pictures"] >= 1) == ("guest", "enabled", True)
    run(folder, "block", "192.0.2.9")
    (blocked,) = json.loads(run(folder, "block", "--list", "--json").stdout)
    assert blocked["what"] == "192.0.2.9/32"
    run(folder, "block", "192.0.2.9", "--remove")
    assert json.loads(run(folder, "fsck", "--json").stdout)["wrong"] == 0
    checked = json.loads(run(folder, "check", "--json", LIMITS__DISK_RESERVE="1 MB").stdout)
    assert {finding["part"] for finding in checked["findings"]} >= {"settings", "catalog", "storage disk"}
    served.request("GET", "/" + image["url_viewer"].split("/", 3)[3])


def test_a_name_that_nobody_has_is_an_error(served: Served):
    said = run(served.folder, "delete", "--key", "nobody")
    assert (said.returncode, said.stderr) == (1, "Error: there is no API key named nobody\n")


def test_a_day_that_is_over_is_refused(served: Served):
    said = run(served.folder, "keys", "add", "late", "--expires", "2020-01-01")
    assert (said.returncode, "2020-01-01 is over" in said.stderr) == (2, True)


def test_the_key_of_guests_is_made_and_works_or_is_named(tmp_path: Path):
    made = run(tmp_path, "keys", "add", "guest")
    assert (made.returncode, made.stdout) == (0, "the key named guest was made and is in data/api.key\n")
    again = run(tmp_path, "keys", "add", "guest")
    assert (again.returncode, "it is in data/api.key" in again.stderr) == (1, True)
    chosen = run(tmp_path, "keys", "add", "guest", API__KEY="0123456789abcdef")
    assert (chosen.returncode, "api.key of the settings" in chosen.stderr) == (1, True)


def test_a_backup_that_cannot_be_written_is_named_as_it_was_asked_for(served: Served):
    said = run(served.folder, "backup", "missing/backup.tar")
    assert said.returncode == 1
    assert said.stderr.startswith("Error: missing/backup.tar: ") or "missing" in said.stderr
    assert "/." not in said.stderr


def upload(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*IMGES, *arguments],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_names_arrive_as_they_are(served: Served, tmp_path: Path):
    names = ["Screenshot from 2026.png", "grüße & 100%.png"]
    for name in names:
        (tmp_path / name).write_bytes(drawn.png())
    server = {"IMGES_SERVER": f"http://127.0.0.1:{served.port}", "IMGES_KEY": served.key}
    said = upload(tmp_path, "upload", "--json", *names, **server)
    assert said.stderr == ""
    images = [json.loads(line)["image"] for line in said.stdout.splitlines()]
    assert [image["original_filename"] for image in images] == names


def test_a_login_is_remembered_and_folders_and_standard_input_are_sent(served: Served, tmp_path: Path):
    (tmp_path / "folder/below").mkdir(parents=True)
    (tmp_path / "folder/a.png").write_bytes(drawn.png())
    (tmp_path / "folder/below/b.webp").write_bytes(drawn.webp())
    (tmp_path / "folder/notes.txt").write_text("no picture")
    config = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    base = f"http://127.0.0.1:{served.port}"
    wrong = upload(tmp_path, "login", base, "--key", "wrong", **config)
    assert (wrong.returncode, "API key" in wrong.stderr) == (1, True)
    assert upload(tmp_path, "upload", "folder", **config).returncode == 2
    assert upload(tmp_path, "login", f"{base}/", "--key", served.key, **config).returncode == 0
    assert (tmp_path / "config/imges/login.json").stat().st_mode & 0o777 == 0o600
    said = upload(tmp_path, "upload", "folder", **config)
    assert (said.returncode, said.stderr, len(said.stdout.splitlines())) == (0, "", 2)
    piped = subprocess.run(
        [*IMGES, "upload", "-", "--link", "markdown"], input=drawn.png(), env=os.environ | config, cwd=tmp_path,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (piped.returncode, piped.stdout[:5]) == (0, b"[![](")


@pytest.mark.parametrize("command", [["upload", "x.png", "--key", "k", "--server"], ["login"], ["sharex", "--server"]])
def test_an_address_without_its_scheme_is_refused(tmp_path: Path, command: list[str]):
    (tmp_path / "x.png").write_bytes(drawn.png())
    said = upload(tmp_path, *command, "img.example.org")
    assert (said.returncode, "https://img.example.org" in said.stderr) == (2, True)
