"""`rebuild` after a change of settings."""

from pathlib import Path

from imges.maintenance.rebuild import rebuild
from tests import drawn
from tests.commands import run
from tests.maintenance.collection import open_library
from tests.served import serving

SMALLER = {"IMAGES__MEDIUM__WIDTH": "200", "IMAGES__THUMB__WIDTH": "80", "IMAGES__THUMB__HEIGHT": "60"}


async def test_thumbs_and_mediums_take_the_new_sizes(tmp_path: Path):
    async with open_library(tmp_path / "data") as library:
        wide = await library.upload(drawn.jpeg(), "wide.jpg")
        narrow = await library.upload(drawn.jpeg(150, 100), "narrow.jpg")
    async with open_library(tmp_path / "data", **SMALLER) as library:
        done = await rebuild(library.context, [], changed=False, parallel=2)
        assert (done.pictures, done.failed) == (2, 0)
        for image, width in ((wide, 200), (narrow, None)):
            row = await library.now(image)
            assert row
            assert (row.thumb.width, row.thumb.height, row.medium and row.medium.width) == (80, 60, width)
            assert row.original == image.original
            assert await library.is_sound(image)
        assert (await rebuild(library.context, [], changed=True, parallel=2)).pictures == 0
        assert (await library.fsck(digests=True))[0].left == 0
    async with open_library(tmp_path / "data", IMAGES__MEDIUM__WIDTH="2000") as library:
        assert (await rebuild(library.context, [wide.id, "nobody"], changed=True, parallel=2)).failed == 1
        row = await library.now(wide)
        assert row
        assert row.medium is None
        assert wide.medium
        assert not library.file(wide.medium.key).exists()
        assert (await library.fsck(digests=True))[0].left == 0


async def test_a_picture_whose_place_is_not_in_the_settings_does_not_stop_the_others(tmp_path: Path):
    attic = {"STORAGES__ATTIC__TYPE": "datefolder", "STORAGES__ATTIC__ROOT": str(tmp_path / "attic")}
    async with open_library(tmp_path / "data", STORAGE="attic", **attic) as library:
        await library.upload(drawn.png(), "a.png")
    async with open_library(tmp_path / "data") as library:
        await library.upload(drawn.png(), "b.png")
        done = await rebuild(library.context, [], changed=False, parallel=1)
        assert (done.pictures, done.failed) == (1, 1)


def test_one_picture_is_made_again_by_its_id(tmp_path: Path):
    with serving(tmp_path) as served:
        image = served.upload(drawn.jpeg(), "a.jpg")
        done = run(tmp_path, "rebuild", "--id", image["id_encoded"])
        assert (done.returncode, done.stdout) == (0, "thumbs and mediums of 1 pictures were made again\n")
