"""Every command over data folders that cannot be used: a sentence each, and never a traceback."""

import os
import subprocess
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import drawn
from tests.cli.walking import walked
from tests.commands import environment
from tests.served import Served
from tests.strangers import STRANGER, python

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of other users")

COMMANDS = [
    ["serve"],
    ["check"],
    ["keys", "add", "x"],
    ["keys", "list"],
    ["keys", "enable", "guest"],
    ["keys", "disable", "guest"],
    ["keys", "revoke", "x"],
    ["delete", "x"],
    ["delete", "--key", "guest"],
    ["block", "--list"],
    ["block", "192.0.2.7"],
    ["fsck"],
    ["fsck", "--repair"],
    ["fsck", "--rebuild"],
    ["migrate", "--to", "disk", "--dry-run"],
    ["import", "."],
    ["export", "out"],
    ["rebuild"],
    ["stats"],
    ["backup", "backup.tar"],
    ["restore", "backup.tar"],
    ["catalog", "copy", "--to", "sqlite:///copy.db"],
    ["catalog", "upgrade"],
]


@pytest.fixture
def place() -> Generator[Path]:
    """A folder that every user can reach."""
    with TemporaryDirectory(prefix="imges-folders-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "backup.tar").write_bytes(b"")
        yield folder


def run(place: Path, *arguments: str, uid: int = 0, gid: int | None = None) -> subprocess.CompletedProcess[str]:
    group = uid if gid is None else gid
    return subprocess.run(
        [python(), "-m", "imges", *arguments], cwd=place, env=environment({}), capture_output=True, text=True,
        timeout=120, check=False, user=uid, group=group, extra_groups=[], umask=0o022,
    )  # fmt: skip


def another_users(data: Path) -> None:
    data.mkdir(0o755)


def contents_of_another_user(data: Path) -> None:
    data.mkdir(0o755)
    (data / "imges.db").touch(0o600)
    os.chown(data, STRANGER, STRANGER)


def a_file(data: Path) -> None:
    data.touch()


def in_a_closed_folder(data: Path) -> None:
    data.symlink_to("/root/nothing/here")


def a_closed_lock(data: Path) -> None:
    data.mkdir(0o755)
    (data / "lock").touch(0o600)
    os.chown(data, STRANGER, STRANGER)


FOLDERS = [another_users, contents_of_another_user, a_file, in_a_closed_folder, a_closed_lock]


@pytest.mark.parametrize("make", FOLDERS, ids=lambda make: make.__name__)
def test_no_command_shows_a_traceback(place: Path, make: Callable[[Path], None]):
    make(place / "data")
    _all_are_refused(place, STRANGER)


def test_a_folder_that_is_mounted_read_only(place: Path):
    data = place / "data"
    data.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", data], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        said = _all_are_refused(place, 0)
    finally:
        subprocess.run(["umount", data], check=True)
    assert "mount -o remount,rw" in said["keys list"]


def _all_are_refused(place: Path, uid: int) -> dict[str, str]:
    """Checks that all commands fail in words. Returns their words by command."""
    said: dict[str, str] = {}
    for arguments, (status, output, error) in zip(
        COMMANDS, walked(place, [(each, {}) for each in COMMANDS], uid), strict=True
    ):
        name = " ".join(arguments)
        assert not error, (name, error)
        assert status in {1, 2}, (name, output)
        assert "Traceback" not in output, name
        if arguments[0] not in {"backup", "restore", "import", "export", "check"}:
            assert "data_dir is 'data'" in output, (name, output)
        said[name] = output
    assert "data_dir is 'data'" in said["check"]
    return said


def test_files_of_another_user_are_named_with_the_command_that_mends_it(place: Path):
    contents_of_another_user(place / "data")
    for command in ("serve", "check"):
        said = run(place, command, uid=STRANGER)
        assert said.returncode == 2
        assert f"imges.db of root cannot be used by #{STRANGER}" in said.stdout + said.stderr
        assert f"chown -R {STRANGER}:{STRANGER} {place}/data" in said.stdout + said.stderr


def test_what_root_does_belongs_to_the_owner_of_the_folder(place: Path):
    (place / "data").mkdir(0o755)
    os.chown(place / "data", STRANGER, STRANGER)
    assert run(place, "keys", "add", "first").returncode == 0
    with TemporaryDirectory(prefix="imges-of-root-") as name:  # nobody else can reach it
        of_root = Path(name)
        picture = of_root / "old/2014/06/04/example.png"
        picture.parent.mkdir(parents=True)
        picture.write_bytes(drawn.png())
        picture.chmod(0o600)
        assert "1 pictures came in" in run(place, "import", str(of_root / "old")).stdout
        assert run(place, "backup", str(of_root / "backup.tar")).returncode == 0
        assert run(place, "export", str(of_root / "out")).returncode == 0
        assert (of_root / "out/2014/06/04/example.png").read_bytes() == drawn.png()
    assert run(place, "fsck", "--repair").returncode == 0
    assert "WRONG" not in run(place, "check").stdout.replace("address: WRONG", "")
    assert {file.stat().st_uid for file in (place / "data").rglob("*")} == {STRANGER}
    assert "first" in run(place, "keys", "list", uid=STRANGER).stdout


def test_a_day_of_another_user_stops_the_start(place: Path):
    assert run(place, "keys", "add", "x", uid=STRANGER).returncode == 0
    (place / "data/images/2026/12/01").mkdir(parents=True)
    for folder in (place / "data/images", place / "data/images/2026", place / "data/images/2026/12"):
        os.chown(folder, STRANGER, STRANGER)
    for command in ("serve", "check"):
        said = run(place, command, uid=STRANGER)
        assert said.returncode == 2, said.stdout
        assert "2026/12/01 of user 0 cannot be written; run as root: chown -R" in said.stdout + said.stderr


def test_a_user_that_changes_at_each_start_keeps_group_0(place: Path):
    """So OpenShift runs containers."""
    data = place / "data"
    data.mkdir()
    data.chmod(0o770)
    links: list[str] = []
    for uid in (STRANGER, STRANGER + 1):
        served = Served(
            place, ("setpriv", "--reuid", str(uid), "--regid", "0", "--clear-groups", python(), "-m", "imges", "serve")
        )
        try:
            served.wait_until_it_answers()
            links.append(served.upload(drawn.png(), f"{uid}.png")["url"])
            assert all(served.get(link)[0] == 200 for link in links)
        finally:
            served.process.terminate()
            served.process.wait(60)
    for file in data.rglob("*"):
        with suppress(FileNotFoundError):
            assert file.stat().st_mode & 0o060 == 0o060, file


def test_settings_in_a_folder_that_cannot_be_entered_are_not_ours(place: Path):
    closed = place / "closed"
    closed.mkdir()
    (closed / "settings.yaml").write_text("no_such_setting: 1")
    script = f'cd {closed} && chmod 0700 . && exec setpriv --reuid {STRANGER} --regid {STRANGER} --clear-groups "$@"'
    environ = environment({"DATA_DIR": str(place / "data")})
    said = subprocess.run(
        ["sh", "-c", script, "sh", python(), "-m", "imges", "keys", "list"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, "")
