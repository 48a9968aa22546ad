"""`imges albums`, beside a running server."""

import json
from base64 import b64encode
from typing import Any

from tests import drawn
from tests.commands import run
from tests.served import Served


def test_albums_are_listed_shown_made_and_deleted(served: Served):
    key = run(served.folder, "keys", "add", "mine").stdout.strip()
    album = run(served.folder, "albums", "make", "Holiday", "--key", "mine").stdout.strip()
    assert run(served.folder, "albums", "make", "holiday", "--key", "mine").returncode == 1
    assert run(served.folder, "albums", "make", "Holiday", "--key", "nobody").returncode == 1
    guests, token = run(served.folder, "albums", "make", "Holiday", "--key", "guest").stdout.split()
    assert len(token) == 32
    source = b64encode(drawn.png()).decode()
    sent = json.dumps({"key": key, "album": "HOLIDAY", "source": source}).encode()
    status, answer = served.request("POST", "/api/1/upload", sent, **{"Content-Type": "application/json"})
    assert status == 200, answer
    image = json.loads(answer)["image"]
    listed: list[dict[str, Any]] = json.loads(run(served.folder, "albums", "list", "--json").stdout)
    assert [(each["id"], each["pictures"], each["key"]) for each in listed] == [
        (guests, 0, "guest"),
        (album, 1, "mine"),
    ]
    assert "Holiday" in run(served.folder, "albums", "list", "--key", "mine").stdout
    assert run(served.folder, "albums", "show", album).stdout == f"{image['id_encoded']}\n"
    said = run(served.folder, "albums", "delete", guests, "none")
    assert (said.returncode, said.stdout) == (1, f"deleted {guests}\n")
    assert served.get(image["url"])[0] == 200
    assert run(served.folder, "albums", "delete", album, "--pictures").returncode == 0
    assert served.get(f"http://x/album/{album}")[0] == 410
    assert served.get(image["url_viewer"])[0] == 410
