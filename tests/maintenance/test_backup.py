"""`backup` while pictures are uploaded, `restore` on an empty host, and a catalog that is rebuilt from the files."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests import drawn
from tests.commands import environment, run
from tests.served import IMGES, Served, serving


def test_a_backup_under_load_restores_on_an_empty_host(tmp_path: Path):
    """A picture that is uploaded after the catalog was copied is an object without a row: `fsck` takes it in."""
    old, new, archive = tmp_path / "old", tmp_path / "new", tmp_path / "backup.tar.gz"
    old.mkdir()
    new.mkdir()
    (old / "settings.yaml").write_text("site:\n  name: Restored\n")
    acknowledged: dict[str, bytes] = {}
    stop = threading.Event()

    def upload(served: Served, start: int) -> None:
        for seed in range(start, start + 500):
            content = drawn.encoded(drawn.noise(60, 60, seed), "PNG")
            acknowledged[served.upload(content)["url"]] = content
            if stop.is_set():
                return

    with serving(old) as served, ThreadPoolExecutor(2) as clients:
        running = [clients.submit(upload, served, start) for start in (0, 1000)]
        try:
            while len(acknowledged) < 5:
                assert not any(one.done() for one in running)
            before = len(acknowledged)
            made = run(old, "backup", str(archive))
            while len(acknowledged) < before + 3:
                assert not any(one.done() for one in running)
        finally:
            stop.set()
        for one in running:
            one.result()
    assert (made.returncode, stat.S_IMODE(archive.stat().st_mode)) == (0, 0o600), made.stderr
    assert "data/images" in made.stdout

    restored = run(new, "restore", str(archive))
    assert restored.returncode == 0, restored.stderr
    assert (new / "settings.yaml").read_text() == "site:\n  name: Restored\n"
    assert stat.S_IMODE((new / "data/imges.db").stat().st_mode) == 0o600
    assert (new / "data/api.key").read_text() == (old / "data/api.key").read_text()
    shutil.copytree(old / "data/images", new / "data/images", dirs_exist_ok=True)
    assert run(new, "fsck").returncode == 1
    repaired = run(new, "fsck", "--repair")
    assert repaired.returncode == 0, repaired.stdout
    assert run(new, "fsck", "--digests").stdout == "nothing is wrong\n"
    with serving(new) as again:
        assert again.key == served.key
        for url, content in acknowledged.items():
            assert again.get(url) == (200, content)
        assert b"Restored" in again.request("GET", "/")[1]


@pytest.mark.parametrize("way", ["restore", "another tool"])
def test_an_upload_that_was_answered_after_the_copy_is_not_lost(tmp_path: Path, way: str):
    """The catalog was copied between the upload's first object and its answer."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    with serving(old) as served:
        url = served.upload(drawn.jpeg(), "a.jpg")["url"]
        content = served.get(url)
    with closing(sqlite3.connect(old / "data/imges.db")) as db, db:
        db.execute("INSERT INTO leases VALUES ('dead', 0)")
        db.execute("UPDATE images SET state = 'pending', lease = 'dead'")
    if way == "restore":
        new.mkdir()
        assert run(old, "backup", "../backup.tar.gz").returncode == 0
        assert run(new, "restore", "../backup.tar.gz").returncode == 0
        shutil.copytree(old / "data/images", new / "data/images", dirs_exist_ok=True)
        repaired = run(new, "fsck", "--repair")
    else:
        shutil.copytree(old, new)
        repaired = run(new, "fsck", "--repair", "--restored")
    assert repaired.returncode == 0, repaired.stdout
    assert run(new, "fsck").stdout == "nothing is wrong\n"
    with serving(new) as again:
        assert again.get(url) == content


@pytest.fixture
def backed_up(tmp_path: Path) -> Path:
    """The folder of a server that has stopped, with backup.tar.gz in it."""
    with serving(tmp_path) as served:
        served.upload(drawn.png())
    assert run(tmp_path, "backup", "backup.tar.gz").returncode == 0
    return tmp_path


def test_backup_and_restore_overwrite_nothing(backed_up: Path):
    before = (backed_up / "backup.tar.gz").read_bytes()
    again = run(backed_up, "backup", "backup.tar.gz")
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    restored = run(backed_up, "restore", "backup.tar.gz")
    assert (restored.returncode, "already" in restored.stderr) == (2, True)
    assert (backed_up / "backup.tar.gz").read_bytes() == before


def test_a_restore_beside_a_running_server_is_refused(backed_up: Path):
    with serving(backed_up):
        (backed_up / "data/imges.db").rename(backed_up / "data/moved.db")
        restored = run(backed_up, "restore", "backup.tar.gz")
        assert restored.returncode == 2
        assert "another `imges serve` (process" in restored.stderr


def test_a_refused_restore_changes_nothing(backed_up: Path, tmp_path_factory: pytest.TempPathFactory):
    """The backup of another host is tried, on a host without a settings file."""
    other = tmp_path_factory.mktemp("other")
    with serving(other):
        pass
    (backed_up / "settings.yaml").write_text("site: {name: Mine}\n")
    assert run(backed_up, "backup", "with-settings.tar.gz").returncode == 0
    before = {file: file.stat().st_mtime_ns for file in other.rglob("*") if file.name != "lock"}
    restored = run(other, "restore", str(backed_up / "with-settings.tar.gz"))
    assert (restored.returncode, "already" in restored.stderr) == (2, True)
    assert {file: file.stat().st_mtime_ns for file in other.rglob("*") if file.is_file() and file.name != "lock"} == {
        file: modified for file, modified in before.items() if file.is_file()
    }
    assert not (other / "settings.yaml").exists()
    (other / "data/imges.db").unlink()
    assert run(other, "restore", str(backed_up / "with-settings.tar.gz")).returncode == 0
    assert (other / "settings.yaml").read_text() == "site: {name: Mine}\n"


@pytest.mark.parametrize("damage", ["cut", "flipped", "checksum", "other file", "damaged database"])
def test_a_damaged_backup_is_refused_and_changes_nothing(
    backed_up: Path, tmp_path_factory: pytest.TempPathFactory, damage: str
):
    archive = backed_up / "backup.tar.gz"
    if damage == "cut":
        os.truncate(archive, archive.stat().st_size // 2)
    elif damage in {"flipped", "checksum"}:
        content = bytearray(archive.read_bytes())
        content[len(content) // 2 if damage == "flipped" else -8] ^= 1
        archive.write_bytes(content)
    elif damage == "other file":
        archive.write_bytes(drawn.png())
    else:
        (backed_up / "imges.db").write_bytes(b"SQLite format 3\0" + b"?" * 8000)
        with tarfile.open(archive, "w:gz") as made:
            (backed_up / "about.json").write_text("{}")
            made.add(backed_up / "about.json", "about.json")
            made.add(backed_up / "imges.db", "imges.db")
    fresh = tmp_path_factory.mktemp("fresh")
    restored = run(fresh, "restore", str(archive))
    assert restored.returncode in {1, 2}
    assert "Traceback" not in restored.stderr
    assert "damaged" in restored.stderr
    assert not (fresh / "data/imges.db").exists()
    assert [file.name for file in (fresh / "data").glob(".restore*")] == []


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A folder whose backup takes a second or two: it has a file that gzip cannot make smaller."""
    assert run(tmp_path, "keys", "list").returncode == 0
    (tmp_path / "data/api.key").write_bytes(os.urandom(64 * 2**20))
    return tmp_path


@contextmanager
def backing_up(folder: Path, file: str, *before: str) -> Generator[subprocess.Popen[bytes]]:
    """Starts `imges backup`, and enters the block in the middle of its work. *before*: the command that starts it."""
    known, deadline = set(folder.glob(".backup-*/archive")), time.monotonic() + 60
    with subprocess.Popen([*before, *IMGES, "backup", file], cwd=folder) as process:
        try:
            while set(folder.glob(".backup-*/archive")) <= known:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.001)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("before", [(), ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")], ids=["alone", "of a script"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_backup_that_is_ended_leaves_nothing(slow: Path, number: signal.Signals, before: tuple[str, ...]):
    """A job in the background of a script ignores SIGINT."""
    there = set(slow.iterdir())
    with backing_up(slow, "backup.tar.gz", *before) as process:
        process.send_signal(number)
        assert process.wait(60) == -number
    assert set(slow.iterdir()) == there


def test_the_next_backup_deletes_what_a_killed_one_left(slow: Path):
    """The folder of a backup that runs stays, and so does a folder that somebody has given such a name."""
    there = set(slow.iterdir())
    (slow / ".backup-mine").mkdir()
    (slow / ".backup-mine/imges.db").write_bytes(b"mine")
    with backing_up(slow, "killed.tar.gz") as process:
        process.send_signal(signal.SIGSTOP)
        left = {file for folder in slow.glob(".backup-*") for file in folder.iterdir()}
        (slow / "data/api.key").write_bytes(b"key")
        assert run(slow, "backup", "first.tar.gz").returncode == 0
        assert {file for folder in slow.glob(".backup-*") for file in folder.iterdir()} == left
        process.kill()
        process.wait()
    assert run(slow, "backup", "second.tar.gz").returncode == 0
    assert set(slow.iterdir()) - there == {slow / name for name in (".backup-mine", "first.tar.gz", "second.tar.gz")}
    assert (slow / ".backup-mine/imges.db").read_bytes() == b"mine"


def test_the_next_restore_deletes_what_a_killed_one_left(backed_up: Path, tmp_path_factory: pytest.TempPathFactory):
    fresh = tmp_path_factory.mktemp("fresh")
    script = (
        "import os, signal; from imges.cli import backup, main; "
        "backup.put_in_place = lambda *_: os.kill(os.getpid(), signal.SIGKILL); main.main()"
    )
    killed = subprocess.run([*IMGES[:1], "-c", script, "restore", backed_up / "backup.tar.gz"], cwd=fresh, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(fresh.glob("data/.restore-*/imges.db"))) == 1
    restored = run(fresh, "restore", str(backed_up / "backup.tar.gz"))
    assert restored.returncode == 0, restored.stderr
    assert list(fresh.rglob(".restore-*")) == []


def test_a_backup_may_have_any_name(tmp_path: Path):
    not_utf8 = "\udcff"  # the byte 255, as Python decodes it
    assert run(tmp_path, "keys", "list").returncode == 0
    strict = environment({}) | {"PYTHONIOENCODING": "utf-8:strict"}
    made = subprocess.run([*IMGES, "backup", not_utf8], cwd=tmp_path, env=strict, capture_output=True, check=False)
    assert (made.returncode, made.stderr) == (0, b"")
    assert (tmp_path / not_utf8).is_file()


def test_for_postgresql_its_own_tools_are_named(tmp_path: Path):
    for command in (("backup", "x"), ("restore", __file__)):
        said = run(tmp_path, *command, CATALOG__URL="postgresql://nobody@127.0.0.1:1/none")
        assert said.returncode == 2
        assert f"pg_{'dump' if command[0] == 'backup' else 'restore'}" in said.stderr


@pytest.mark.parametrize("database", ["gone", "damaged"])
def test_a_catalog_is_rebuilt_from_the_files(tmp_path: Path, database: str):
    contents = [drawn.jpeg(), drawn.gif(frames=3), drawn.png()]
    with serving(tmp_path) as served:
        urls = [served.upload(content)["url"] for content in contents]
        acknowledged = {url: served.get(url) for url in urls}
        assert run(tmp_path, "fsck", "--rebuild").returncode == 2
    assert run(tmp_path, "fsck", "--rebuild").returncode == 2
    file = tmp_path / "data/imges.db"
    file.unlink()
    for rest in (tmp_path / "data").glob("imges.db-*"):
        rest.unlink()
    if database == "damaged":
        file.write_bytes(b"SQLite format 3\0" + b"?" * 8000)
        refused = run(tmp_path, "fsck")
        assert (refused.returncode, "--rebuild" in refused.stderr) == (2, True)
    rebuilt = run(tmp_path, "fsck", "--rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert "3 pictures" in rebuilt.stdout
    assert len(list((tmp_path / "data").glob("imges.db.damaged*"))) == (database == "damaged")
    assert run(tmp_path, "fsck", "--digests").returncode == 0
    with serving(tmp_path) as again:
        assert {url: again.get(url) for url in acknowledged} == acknowledged
