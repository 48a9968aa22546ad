"""`imges stats`, beside a running server."""

import json
from pathlib import Path

from tests import drawn
from tests.commands import run
from tests.served import serving


def test_pictures_and_their_bytes_are_counted(tmp_path: Path):
    with serving(tmp_path) as served:
        served.upload(drawn.png())
        image = served.upload(drawn.jpeg(), "a.jpg")
        told = run(tmp_path, "stats")
        assert told.returncode == 0
        for word in ("2 pictures", "disk", "image/png", "image/jpeg", "guest", image["date_gmt"][:10]):
            assert word in told.stdout
        found = json.loads(run(tmp_path, "stats", "--json").stdout)
        files = [file for file in (tmp_path / "data/images").rglob("*.*") if file.is_file()]
        assert found["bytes"] == sum(file.stat().st_size for file in files)
        assert found["places"] == {"disk": [2, found["bytes"]]}
