"""`fsck` on every kind of damage, made by hand."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from imges.catalog import GUEST
from imges.errors import Gone, ProcessingFailed
from tests import drawn
from tests.maintenance.collection import Library, open_library
from tests.servers import S3Server

OTHER_DAY = "2014/06/04"


async def is_clean(library: Library) -> bool:
    findings, said = await library.fsck(digests=True)
    assert said.lines == []
    return not findings.left


async def wrong_then_mended(library: Library, key: str, **checks: bool) -> str:
    """Checks that `fsck` changes nothing without --repair, and leaves nothing wrong with it.

    Returns the line about *key*.
    """
    before = {name: library.file(name).read_bytes() for name in library.files()}
    findings, said = await library.fsck(**checks)
    assert findings.left
    assert said.about(key)
    assert before == {name: library.file(name).read_bytes() for name in library.files()}
    findings, said = await library.fsck(repair=True, **checks)
    assert not findings.left, said.lines
    assert findings.mended
    assert await is_clean(library)
    (line,) = said.about(key)
    return line


async def test_sound_pictures_are_clean(library: Library):
    for content, name in ((drawn.jpeg(), "a.jpg"), (drawn.png(), "b.png"), (drawn.gif(frames=3), "c.gif")):
        await library.upload(content, name)
    assert await is_clean(library)


# Rows


@pytest.mark.parametrize("kind", ["medium", "thumb"])
@pytest.mark.parametrize("damage", ["missing", "short", "other bytes"])
async def test_a_thumb_or_medium_is_made_again(library: Library, kind: str, damage: str):
    image = await library.upload(drawn.jpeg(), "a.jpg")
    file = library.file(getattr(image, kind).key)
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[:-1] if damage == "short" else content[:-1] + b"?")
    line = await wrong_then_mended(library, image.original.key, digests=damage == "other bytes")
    assert "made again" in line
    assert await library.is_sound(image)


async def test_a_medium_of_another_size_changes_the_bytes_of_its_key(tmp_path: Path):
    async with open_library(tmp_path / "data") as library:
        image = await library.upload(drawn.jpeg(), "a.jpg")
        assert image.medium
        library.file(image.medium.key).unlink()
    async with open_library(tmp_path / "data", IMAGES__MEDIUM__WIDTH="100") as library:
        await library.fsck(repair=True)
        row = await library.now(image)
        assert row
        assert row.medium
        assert row.medium.width == 100
        guest = next(key for key in await library.pictures.catalog.keys.all() if key.name == GUEST)
        assert guest.bytes == row.stored_bytes == sum(library.file(file.key).stat().st_size for file in row.files())


async def test_a_picture_without_its_original_is_given_up_and_what_is_left_is_kept(library: Library):
    image = await library.upload(drawn.jpeg(), "a.jpg")
    assert image.medium
    medium = library.file(image.medium.key).read_bytes()
    library.file(image.original.key).unlink()
    assert "given up" in await wrong_then_mended(library, image.original.key)
    with pytest.raises(Gone):
        await library.pictures.finding.by_id(image.id)
    assert (library.settings.data_dir / "lost+found/disk" / image.medium.key).read_bytes() == medium


async def test_a_changed_original_that_decodes_is_kept_and_its_row_follows(library: Library):
    image = await library.upload(drawn.jpeg(), "a.jpg")
    library.file(image.original.key).unlink()
    library.file(image.original.key).write_bytes(drawn.jpeg(300, 200))
    assert "is a picture" in await wrong_then_mended(library, image.original.key)
    assert await library.is_sound(image)
    row = await library.now(image)
    assert row
    assert (row.original.width, row.original.height, row.medium) == (300, 200, None)


async def test_a_damaged_original_is_given_up_and_kept(library: Library):
    image = await library.upload(drawn.jpeg(), "a.jpg")
    file = library.file(image.original.key)
    damaged = file.read_bytes()[:2000]
    file.unlink()
    file.write_bytes(damaged)
    assert "given up" in await wrong_then_mended(library, image.original.key)
    assert (library.settings.data_dir / "lost+found/disk" / image.original.key).read_bytes() == damaged


async def test_other_bytes_are_found_only_with_digests(library: Library):
    image = await library.upload(drawn.jpeg(), "a.jpg")
    file = library.file(image.original.key)
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-3] + b"?" + content[-2:])
    assert not (await library.fsck())[0].left
    assert (await library.fsck(digests=True))[0].left


async def test_an_original_comes_back_from_another_place(tmp_path: Path):
    other = {"STORAGES__OTHER__TYPE": "datefolder", "STORAGES__OTHER__ROOT": str(tmp_path / "other")}
    async with open_library(tmp_path / "data", **other) as library:
        image = await library.upload(drawn.jpeg(), "a.jpg")
        copy = tmp_path / "other" / image.original.key
        copy.parent.mkdir(parents=True)
        library.file(image.original.key).rename(copy)
        assert "copied back from other" in await wrong_then_mended(library, image.original.key)
        assert await library.is_sound(image)


async def test_pictures_of_an_empty_storage_are_given_up_only_on_demand(library: Library):
    images = [await library.upload(drawn.png(), f"{n}.png") for n in range(22)]
    for name in library.files():
        library.file(name).unlink()
    findings, said = await library.fsck(repair=True)
    assert findings.left == 22
    assert "right folder" in said.lines[0]
    assert await library.pictures.finding.by_id(images[0].id)
    findings, _ = await library.fsck(repair=True, give_up=True)
    assert not findings.left
    assert await is_clean(library)


async def test_an_upload_of_a_living_process_stays_and_of_a_dead_one_is_removed(library: Library):
    image = await library.upload(drawn.png(), "a.png")
    lease = await library.pictures.catalog.leases.take(timedelta(minutes=1))
    change(library, f"UPDATE images SET state = 'pending', lease = '{lease}'")
    findings, said = await library.fsck(repair=True)
    assert (findings.left, said.lines, dict(findings.notes)) == (0, [], {"uploads are on their way": 1})
    await library.pictures.catalog.leases.give_back(lease)
    assert "broke off" in await wrong_then_mended(library, image.original.key)
    assert library.files() == set()


async def test_a_deletion_is_finished(library: Library):
    image = await library.upload(drawn.png(), "a.png")
    assert await library.pictures.catalog.deletions.begin(image.number)
    assert "deletion" in await wrong_then_mended(library, image.original.key)
    assert library.files() == set()
    with pytest.raises(Gone):
        await library.pictures.finding.by_id(image.id)


async def test_a_place_that_the_settings_do_not_name_is_reported(tmp_path: Path):
    other = {"STORAGES__OTHER__TYPE": "datefolder", "STORAGES__OTHER__ROOT": str(tmp_path / "other")}
    async with open_library(tmp_path / "data", STORAGE="other", **other) as library:
        await library.upload(drawn.png(), "a.png")
    async with open_library(tmp_path / "data") as library:
        findings, said = await library.fsck(repair=True)
        assert findings.left == 1
        assert "storages.other: 1 pictures" in said.lines[0]


# Objects


async def test_an_original_without_a_row_is_taken_in_again(library: Library):
    """A catalog was restored that is older than the files."""
    image = await library.upload(drawn.jpeg(), "a.jpg")
    before = {name: library.file(name).read_bytes() for name in library.files()}
    change(library, "DELETE FROM unique_keys", "DELETE FROM images")
    assert "taken in" in await wrong_then_mended(library, image.original.key)
    (row,) = await library.rows()
    assert row.files() == image.files()
    assert row.created - image.created < timedelta(minutes=1)
    assert before == {name: library.file(name).read_bytes() for name in library.files()}


async def test_an_original_alone_gets_its_thumb_and_medium(library: Library):
    key = put_by_hand(library, f"{OTHER_DAY}/a.jpg", drawn.jpeg())
    assert "taken in" in await wrong_then_mended(library, key)
    assert library.files() == {key, f"{OTHER_DAY}/a.th.jpg", f"{OTHER_DAY}/a.md.jpg"}
    (row,) = await library.rows()
    assert row.created.date().isoformat() == "2014-06-04"
    assert await library.is_sound(row)


async def test_a_picture_that_is_taken_in_does_not_expire_even_if_new_ones_do(tmp_path: Path):
    """Nobody knows any more when it was to expire, and it may be the only copy."""
    async with open_library(tmp_path / "data", IMAGES__EXPIRE__MAX="90 days") as library:
        key = put_by_hand(library, f"{OTHER_DAY}/a.jpg", drawn.jpeg())
        assert "taken in" in await wrong_then_mended(library, key)
        await library.pictures.sweeping.sweep()
        (row,) = await library.rows()
        assert row.expires is None
        assert key in library.files()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.png", b"not a picture", id="no picture"),
        pytest.param("a.png", drawn.png()[:40], id="cut picture"),
        pytest.param("a.th.png", drawn.png(), id="thumb alone"),
        pytest.param("a.txt", b"text", id="text"),
    ],
)
async def test_an_object_that_may_be_the_only_copy_is_moved_to_lost_and_found(
    library: Library, name: str, content: bytes
):
    key = put_by_hand(library, f"{OTHER_DAY}/{name}", content)
    assert "lost+found" in await wrong_then_mended(library, key)
    assert library.files() == set()
    assert (library.settings.data_dir / "lost+found/disk" / key).read_bytes() == content


async def test_a_picture_that_cannot_be_decoded_right_now_stays_where_it_is(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    key = put_by_hand(library, f"{OTHER_DAY}/a.jpg", drawn.jpeg())

    async def dies(*_: object, **__: object) -> None:
        raise ProcessingFailed

    monkeypatch.setattr(library.pictures.rendering, "derive", dies)
    findings, said = await library.fsck(repair=True)
    assert (findings.mended, findings.left) == (0, 1)
    assert "not mended" in said.lines[0]
    assert library.files() == {key}


async def test_an_object_of_a_deleted_picture_is_deleted(library: Library):
    """Files were restored that are older than the catalog."""
    image = await library.upload(drawn.png(), "a.png")
    await library.pictures.deleting.delete(image)
    key = put_by_hand(library, image.original.key, drawn.png())
    assert "deleted" in await wrong_then_mended(library, key)
    assert library.files() == set()
    assert not (library.settings.data_dir / "lost+found").exists()


async def test_a_medium_that_its_picture_does_not_have_is_deleted(library: Library):
    image = await library.upload(drawn.png(), "a.png")
    key = put_by_hand(library, image.medium_key, drawn.png())
    assert "deleted" in await wrong_then_mended(library, key)
    assert await library.is_sound(image)


async def test_a_picture_outside_of_date_folders_is_taken_in_from_a_folder_of_this_machine(library: Library):
    key = put_by_hand(library, "loose.png", drawn.png())
    assert "taken in" in await wrong_then_mended(library, key)
    assert library.files() == {"loose.png", "loose.th.png"}


async def test_a_picture_outside_of_date_folders_is_left_alone_in_a_bucket(tmp_path: Path, seaweedfs: S3Server):
    bucket = seaweedfs.new_bucket()
    given = {f"STORAGES__CLOUD__{name.upper()}": value for name, value in seaweedfs.settings(bucket).items()}
    seaweedfs.client.put_object(Bucket=bucket, Key="others/logo.png", Body=drawn.png())
    seaweedfs.client.put_object(Bucket=bucket, Key=f"{OTHER_DAY}/a.png", Body=drawn.png())
    async with open_library(tmp_path / "data", **given) as library:
        findings, said = await library.fsck(repair=True)
        assert (findings.mended, findings.left, sum(findings.notes.values())) == (1, 0, 1)
        assert said.about(f"{OTHER_DAY}/a.png")
        assert (await library.pictures.catalog.figures.statistics()).places["cloud"][0] == 1
        assert await is_clean(library)
    assert seaweedfs.client.get_object(Bucket=bucket, Key="others/logo.png")["Body"].read() == drawn.png()


async def test_files_that_are_not_ours_are_left_alone(library: Library):
    put_by_hand(library, "robots.txt", b"User-agent: *")
    findings, said = await library.fsck(repair=True)
    assert (findings.left, said.lines) == (0, [])
    assert library.files() == {"robots.txt"}
    assert list(findings.notes.values()) == [1]


def put_by_hand(library: Library, key: str, content: bytes) -> str:
    file = library.file(key)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return key


def change(library: Library, *statements: str) -> None:
    with closing(sqlite3.connect(library.settings.data_dir / "imges.db")) as db, db:
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize("length", [253, 255])
@pytest.mark.parametrize("folder", [f"{OTHER_DAY}/", ""])
async def test_an_original_whose_name_is_too_long_for_a_thumb_is_moved_to_lost_and_found(
    library: Library, length: int, folder: str
):
    key = f"{folder}{'n' * (length - 4)}.png"
    file = library.file(key)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(drawn.png())
    assert "lost+found" in await wrong_then_mended(library, key)
    assert (library.settings.data_dir / "lost+found/disk" / key).read_bytes() == drawn.png()
    assert await library.rows() == []
