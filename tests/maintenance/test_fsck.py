"""`fsck` on every kind of damage, made by hand."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from imges.catalog import GUEST
from imges.errors import Gone, ProcessingFailed
from tests import pictures
from tests.maintenance.collection import Library, open_library
from tests.servers import S3Server

OTHER_DAY = "2014/06/04"


async def is_clean(library: Library) -> bool:
    findings, said = await library.fsck(digests=True)
    assert said.lines == []
    return not findings.left


async def wrong_then_mended(library: Library, key: str, **checks: bool) -> str:
    """What is said of *key* when it is mended. Without --repair nothing was changed, and after it nothing is wrong."""
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
    for content, name in ((pictures.jpeg(), "a.jpg"), (pictures.png(), "b.png"), (pictures.gif(frames=3), "c.gif")):
        await library.upload(content, name)
    assert await is_clean(library)


# Rows


@pytest.mark.parametrize("kind", ["medium", "thumb"])
@pytest.mark.parametrize("damage", ["missing", "short", "other bytes"])
async def test_a_thumb_or_medium_is_made_again(library: Library, kind: str, damage: str):
    image = await library.upload(pictures.jpeg(), "a.jpg")
    file = library.file(getattr(image, kind).key)
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[:-1] if damage == "short" else content[:-1] + b"?")
    line = await wrong_then_mended(library, image.original.key, digests=damage == "other bytes")
    assert "made again" in line
    assert await library.is_sound(image)


async def test_what_is_stored_is_counted_anew_when_a_medium_has_another_size(tmp_path: Path):
    async with open_library(tmp_path / "data") as library:
        image = await library.upload(pictures.jpeg(), "a.jpg")
        assert image.medium
        library.file(image.medium.key).unlink()
    async with open_library(tmp_path / "data", IMAGES__MEDIUM__WIDTH="100") as library:
        await library.fsck(repair=True)
        row = await library.now(image)
        assert row
        assert row.medium
        assert row.medium.width == 100
        guest = next(key for key in await library.service.catalog.keys() if key.name == GUEST)
        assert guest.bytes == row.stored_bytes == sum(library.file(file.key).stat().st_size for file in row.files())


async def test_a_picture_without_its_original_is_given_up_and_what_is_left_is_kept(library: Library):
    image = await library.upload(pictures.jpeg(), "a.jpg")
    assert image.medium
    medium = library.file(image.medium.key).read_bytes()
    library.file(image.original.key).unlink()
    assert "given up" in await wrong_then_mended(library, image.original.key)
    with pytest.raises(Gone):
        await library.service.view(image.id)
    assert (library.settings.data_dir / "lost+found/disk" / image.medium.key).read_bytes() == medium


async def test_a_changed_original_that_decodes_counts_as_it_is(library: Library):
    image = await library.upload(pictures.jpeg(), "a.jpg")
    library.file(image.original.key).unlink()
    library.file(image.original.key).write_bytes(pictures.jpeg(300, 200))
    assert "is a picture" in await wrong_then_mended(library, image.original.key)
    assert await library.is_sound(image)
    row = await library.now(image)
    assert row
    assert (row.original.width, row.original.height, row.medium) == (300, 200, None)


async def test_a_damaged_original_is_given_up_and_kept(library: Library):
    image = await library.upload(pictures.jpeg(), "a.jpg")
    file = library.file(image.original.key)
    damaged = file.read_bytes()[:2000]
    file.unlink()
    file.write_bytes(damaged)
    assert "given up" in await wrong_then_mended(library, image.original.key)
    assert (library.settings.data_dir / "lost+found/disk" / image.original.key).read_bytes() == damaged


async def test_other_bytes_are_found_only_with_digests(library: Library):
    image = await library.upload(pictures.jpeg(), "a.jpg")
    file = library.file(image.original.key)
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-3] + b"?" + content[-2:])
    assert not (await library.fsck())[0].left
    assert (await library.fsck(digests=True))[0].left


async def test_an_original_comes_back_from_another_place(tmp_path: Path):
    other = {"STORAGES__OTHER__TYPE": "datefolder", "STORAGES__OTHER__ROOT": str(tmp_path / "other")}
    async with open_library(tmp_path / "data", **other) as library:
        image = await library.upload(pictures.jpeg(), "a.jpg")
        copy = tmp_path / "other" / image.original.key
        copy.parent.mkdir(parents=True)
        library.file(image.original.key).rename(copy)
        assert "copied back from other" in await wrong_then_mended(library, image.original.key)
        assert await library.is_sound(image)


async def test_an_empty_storage_is_rather_the_wrong_one_than_so_many_pictures_lost(library: Library):
    images = [await library.upload(pictures.png(), f"{n}.png") for n in range(22)]
    for name in library.files():
        library.file(name).unlink()
    findings, said = await library.fsck(repair=True)
    assert findings.left == 22
    assert "right folder" in said.lines[0]
    assert await library.service.view(images[0].id)
    findings, _ = await library.fsck(repair=True, give_up=True)
    assert not findings.left
    assert await is_clean(library)


async def test_an_upload_of_a_living_process_is_in_flight_and_of_a_dead_one_taken_away(library: Library):
    image = await library.upload(pictures.png(), "a.png")
    lease = await library.service.catalog.take_lease(timedelta(minutes=1))
    change(library, f"UPDATE images SET state = 'pending', lease = '{lease}'")
    findings, said = await library.fsck(repair=True)
    assert (findings.left, said.lines, dict(findings.notes)) == (0, [], {"uploads are on their way": 1})
    await library.service.catalog.give_lease_back(lease)
    assert "broke off" in await wrong_then_mended(library, image.original.key)
    assert library.files() == set()


async def test_a_deletion_is_finished(library: Library):
    image = await library.upload(pictures.png(), "a.png")
    assert await library.service.catalog.mark_deleting(image.number)
    assert "deletion" in await wrong_then_mended(library, image.original.key)
    assert library.files() == set()
    with pytest.raises(Gone):
        await library.service.view(image.id)


async def test_a_place_that_the_settings_do_not_know_is_told(tmp_path: Path):
    other = {"STORAGES__OTHER__TYPE": "datefolder", "STORAGES__OTHER__ROOT": str(tmp_path / "other")}
    async with open_library(tmp_path / "data", STORAGE="other", **other) as library:
        await library.upload(pictures.png(), "a.png")
    async with open_library(tmp_path / "data") as library:
        findings, said = await library.fsck(repair=True)
        assert findings.left == 1
        assert "storages.other: 1 pictures" in said.lines[0]


# Objects


async def test_an_original_without_a_row_is_taken_in_again(library: Library):
    """A catalog restored that is older than the files."""
    image = await library.upload(pictures.jpeg(), "a.jpg")
    before = {name: library.file(name).read_bytes() for name in library.files()}
    change(library, "DELETE FROM unique_keys", "DELETE FROM images")
    assert "taken in" in await wrong_then_mended(library, image.original.key)
    (row,) = await library.rows()
    assert row.files() == image.files()
    assert row.created - image.created < timedelta(minutes=1)
    assert before == {name: library.file(name).read_bytes() for name in library.files()}


async def test_an_original_alone_gets_its_thumb_and_medium(library: Library):
    key = put_by_hand(library, f"{OTHER_DAY}/a.jpg", pictures.jpeg())
    assert "taken in" in await wrong_then_mended(library, key)
    assert library.files() == {key, f"{OTHER_DAY}/a.th.jpg", f"{OTHER_DAY}/a.md.jpg"}
    (row,) = await library.rows()
    assert row.created.date().isoformat() == "2014-06-04"
    assert await library.is_sound(row)


async def test_what_is_taken_in_stays_though_new_pictures_would_not(tmp_path: Path):
    """Of how long it was to stay nobody knows any more, and it may be the only copy."""
    async with open_library(tmp_path / "data", IMAGES__EXPIRE__MAX="90 days") as library:
        key = put_by_hand(library, f"{OTHER_DAY}/a.jpg", pictures.jpeg())
        assert "taken in" in await wrong_then_mended(library, key)
        await library.service.sweep()
        (row,) = await library.rows()
        assert row.expires is None
        assert key in library.files()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.png", b"not a picture", id="no picture"),
        pytest.param("a.png", pictures.png()[:40], id="cut picture"),
        pytest.param("a.th.png", pictures.png(), id="thumb alone"),
        pytest.param("a.txt", b"text", id="text"),
    ],
)
async def test_what_may_be_somebodys_only_copy_is_moved_aside(library: Library, name: str, content: bytes):
    key = put_by_hand(library, f"{OTHER_DAY}/{name}", content)
    assert "lost+found" in await wrong_then_mended(library, key)
    assert library.files() == set()
    assert (library.settings.data_dir / "lost+found/disk" / key).read_bytes() == content


async def test_a_picture_that_cannot_be_decoded_right_now_stays_where_it_is(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    key = put_by_hand(library, f"{OTHER_DAY}/a.jpg", pictures.jpeg())

    async def dies(*_: object, **__: object) -> None:
        raise ProcessingFailed

    monkeypatch.setattr(library.service, "derive", dies)
    findings, said = await library.fsck(repair=True)
    assert (findings.mended, findings.left) == (0, 1)
    assert "not mended" in said.lines[0]
    assert library.files() == {key}


async def test_what_is_left_of_a_deleted_picture_goes(library: Library):
    """Files restored that are older than the catalog."""
    image = await library.upload(pictures.png(), "a.png")
    await library.service.delete(image)
    key = put_by_hand(library, image.original.key, pictures.png())
    assert "deleted" in await wrong_then_mended(library, key)
    assert library.files() == set()
    assert not (library.settings.data_dir / "lost+found").exists()


async def test_a_medium_that_its_picture_does_not_have_goes(library: Library):
    image = await library.upload(pictures.png(), "a.png")
    key = put_by_hand(library, image.medium_key, pictures.png())
    assert "deleted" in await wrong_then_mended(library, key)
    assert await library.is_sound(image)


async def test_a_picture_outside_of_date_folders_is_taken_in_where_the_folder_is_ours_alone(library: Library):
    key = put_by_hand(library, "loose.png", pictures.png())
    assert "taken in" in await wrong_then_mended(library, key)
    assert library.files() == {"loose.png", "loose.th.png"}


async def test_in_a_bucket_it_is_anothers(tmp_path: Path, seaweedfs: S3Server):
    bucket = seaweedfs.new_bucket()
    given = {f"STORAGES__CLOUD__{name.upper()}": value for name, value in seaweedfs.settings(bucket).items()}
    seaweedfs.client.put_object(Bucket=bucket, Key="others/logo.png", Body=pictures.png())
    seaweedfs.client.put_object(Bucket=bucket, Key=f"{OTHER_DAY}/a.png", Body=pictures.png())
    async with open_library(tmp_path / "data", **given) as library:
        findings, said = await library.fsck(repair=True)
        assert (findings.mended, findings.left, sum(findings.notes.values())) == (1, 0, 1)
        assert said.about(f"{OTHER_DAY}/a.png")
        assert (await library.service.catalog.statistics()).places["cloud"][0] == 1
        assert await is_clean(library)
    assert seaweedfs.client.get_object(Bucket=bucket, Key="others/logo.png")["Body"].read() == pictures.png()


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
async def test_an_original_whose_thumb_could_have_no_name_goes_to_lost_and_found(
    library: Library, length: int, folder: str
):
    key = f"{folder}{'n' * (length - 4)}.png"
    file = library.file(key)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pictures.png())
    assert "lost+found" in await wrong_then_mended(library, key)
    assert (library.settings.data_dir / "lost+found/disk" / key).read_bytes() == pictures.png()
    assert await library.rows() == []
