"""`imges delete`, beside a running server."""

import sqlite3
from contextlib import closing

from tests import drawn
from tests.cli.uploads import uploaded
from tests.commands import run
from tests.served import Served


def test_pictures_are_deleted_by_id_and_by_key(served: Served):
    image = served.upload(drawn.png())
    with closing(sqlite3.connect(served.folder / "data/imges.db")) as db, db:
        lost = served.upload(drawn.png())["id_encoded"]
        db.execute("UPDATE images SET place = 'nowhere' WHERE id = ?", [lost])
    options = {"TYPE": "s3", "BUCKET": "x", "ENDPOINT_URL": "http://127.0.0.1:1", "ACCESS_KEY": "x", "SECRET_KEY": "x"}
    nowhere = {f"STORAGES__NOWHERE__{name}": value for name, value in options.items()}
    said = run(served.folder, "delete", lost, image["id_encoded"], **nowhere)
    assert (said.returncode, said.stdout) == (1, f"deleted {image['id_encoded']}\n")
    assert served.get(image["url_viewer"])[0] == 410
    key = run(served.folder, "keys", "add", "temporary").stdout.strip()
    assert uploaded(served, key) == 200
    assert run(served.folder, "delete", "--key", "temporary").stdout == "1 deleted\n"
