"""`rebuild` after a change of settings, and `stats`."""

import json
from pathlib import Path

from imges.maintenance.rebuild import rebuild
from tests import pictures
from tests.maintenance.collection import open_library
from tests.maintenance.commands import run
from tests.served import serving

SMALLER = {"IMAGES__MEDIUM__WIDTH": "200", "IMAGES__THUMB__WIDTH": "80", "IMAGES__THUMB__HEIGHT": "60"}


async def test_thumbs_and_mediums_take_the_new_sizes(tmp_path: Path):
    async with open_library(tmp_path / "data") as library:
        wide = await library.upload(pictures.jpeg(), "wide.jpg")
        narrow = await library.upload(pictures.jpeg(150, 100), "narrow.jpg")
    async with open_library(tmp_path / "data", **SMALLER) as library:
        done = await rebuild(library.tools, [], changed=False, parallel=2)
        assert (done.pictures, done.failed) == (2, 0)
        for image, width in ((wide, 200), (narrow, None)):
            row = await library.now(image)
            assert row
            assert (row.thumb.width, row.thumb.height, row.medium and row.medium.width) == (80, 60, width)
            assert row.original == image.original
            assert await library.is_sound(image)
        assert (await rebuild(library.tools, [], changed=True, parallel=2)).pictures == 0
        assert (await library.fsck(digests=True))[0].left == 0
    async with open_library(tmp_path / "data", IMAGES__MEDIUM__WIDTH="2000") as library:
        assert (await rebuild(library.tools, [wide.id, "nobody"], changed=True, parallel=2)).failed == 1
        row = await library.now(wide)
        assert row
        assert row.medium is None
        assert wide.medium
        assert not library.file(wide.medium.key).exists()
        assert (await library.fsck(digests=True))[0].left == 0


async def test_a_picture_whose_place_is_not_in_the_settings_keeps_the_others_from_nothing(tmp_path: Path):
    attic = {"STORAGES__ATTIC__TYPE": "datefolder", "STORAGES__ATTIC__ROOT": str(tmp_path / "attic")}
    async with open_library(tmp_path / "data", STORAGE="attic", **attic) as library:
        await library.upload(pictures.png(), "a.png")
    async with open_library(tmp_path / "data") as library:
        await library.upload(pictures.png(), "b.png")
        done = await rebuild(library.tools, [], changed=False, parallel=1)
        assert (done.pictures, done.failed) == (1, 1)


def test_what_there_is_is_counted(tmp_path: Path):
    with serving(tmp_path) as served:
        served.upload(pictures.png())
        image = served.upload(pictures.jpeg(), "a.jpg")
        told = run(tmp_path, "stats")
        assert told.returncode == 0
        for word in ("2 pictures", "disk", "image/png", "image/jpeg", "guest", image["date_gmt"][:10]):
            assert word in told.stdout
        found = json.loads(run(tmp_path, "stats", "--json").stdout)
        files = [file for file in (tmp_path / "data/images").rglob("*.*") if file.is_file()]
        assert found["bytes"] == sum(file.stat().st_size for file in files)
        assert found["places"] == {"disk": [2, found["bytes"]]}
        assert run(tmp_path, "rebuild", "--id", image["id_encoded"]).returncode == 0
