"""`imges serve` as a process over S3: what stops its start, and being killed while it uploads."""

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests import drawn
from tests.backing import S3Backing
from tests.crash.load import Load
from tests.served import IMGES, serving
from tests.servers import S3Server

PNG = drawn.png()


@pytest.fixture
def bucket(seaweedfs: S3Server) -> S3Backing:
    return S3Backing.new(seaweedfs)


def rows(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "data/imges.db")) as db:
        return db.execute("SELECT count(*) FROM images").fetchone()[0]


def imges(folder: Path, command: str, **environ: str) -> tuple[int, str]:
    """Returns the exit status, and all output."""
    env = os.environ | {"IMGES__SERVER__PORT": "0"} | {f"IMGES__{name}": value for name, value in environ.items()}
    done = subprocess.run(
        [*IMGES, command], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"SECRET_KEY": "other"}, 2, "storages.bucket.secret_key: it does not belong to the access key"),
        ({"BUCKET": "nowhere"}, 2, "storages.bucket.bucket: there is no such bucket at this store; make it, or name"),
        ({"TYPE": "s4"}, 2, "storages.bucket.type is 's4': there are datefolder, s3"),
        ({"ENDPOINT_URL": "http://127.0.0.1:9"}, 1, "storages.bucket.endpoint_url: nothing answers there; is it right"),
    ],
    ids=["secret", "bucket", "type", "silence"],
)
def test_a_place_that_fails_stops_the_start(
    tmp_path: Path, bucket: S3Backing, change: dict[str, str], status: int, message: str
):
    environ = dict(bucket.environ()) | {f"STORAGES__BUCKET__{name}": value for name, value in change.items()}
    code, said = imges(tmp_path, "serve", **environ)
    assert (code, message in said) == (status, True), said
    assert "Traceback" not in said
    code, said = imges(tmp_path, "check", **environ)
    assert (code, f"storage bucket: WRONG: {message}" in said) == (2 if status == 2 else 1, True), said


def test_a_place_that_holds_pictures_cannot_be_dropped_unnoticed(tmp_path: Path, bucket: S3Backing):
    with serving(tmp_path, **bucket.environ()) as served:
        for _ in range(3):
            served.upload(PNG)
    told = "storages.bucket is missing, and 3 pictures are kept there; put it back, and move them by"
    for command in ("serve", "check"):
        code, said = imges(tmp_path, command)
        assert (code, told in said) == (2, True), said
    with serving(tmp_path, **(dict(bucket.environ()) | {"STORAGE": "disk"})) as served:
        assert served.upload(PNG)


def test_killed_while_it_uploads_nothing_acknowledged_is_lost_and_nothing_else_stays(tmp_path: Path, bucket: S3Backing):
    load = Load()
    for round_ in range(2):
        with serving(tmp_path, **bucket.environ()) as served, load.on(served):
            load.wait_for_more()
            time.sleep(0.5 + 0.3 * round_)
            served.process.kill()
            served.process.wait()
    assert load.acknowledged
    assert load.refused == []
    with serving(tmp_path, **bucket.environ()) as served:
        assert load.lost(served) == []
        deadline = time.monotonic() + 20
        while len(bucket.objects()) != 2 * rows(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.2)  # until the sweep of the start has taken back what was on its way
        assert len(bucket.objects()) == 2 * rows(tmp_path)
    code, said = imges(tmp_path, "fsck", **bucket.environ())
    assert code == 0, said
