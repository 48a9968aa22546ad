"""`imges edit`, beside a running server."""

import json

from tests import drawn
from tests.commands import run
from tests.served import Served


def test_pictures_are_edited_by_id(served: Served):
    ids = [served.upload(drawn.png())["id_encoded"] for _ in range(2)]
    said = run(served.folder, "edit", *ids, "nothing", "--title", "Neu", "--add-tags", "a,b", "--nsfw", "1")
    assert (said.returncode, said.stdout) == (1, "".join(f"edited {each}\n" for each in ids))
    assert said.stderr == "nothing: there is nothing at this address\n"
    run(served.folder, "edit", ids[0], "--title", "", "--remove-tags", "a")
    found = [json.loads(served.get(f"http://x/api/1/image/{each}")[1])["image"] for each in ids]
    assert [(image["title"], image["tags"], image["nsfw"]) for image in found] == [
        (None, ["b"], "1"),
        ("Neu", ["a", "b"], "1"),
    ]


def test_what_makes_no_sense_is_said(served: Served):
    image = served.upload(drawn.png())["id_encoded"]
    assert run(served.folder, "edit", image).returncode == 2
    wrong = run(served.folder, "edit", image, "--expiration", "soon")
    assert (wrong.returncode, wrong.stderr.partition(":")[0]) == (1, "Error")
