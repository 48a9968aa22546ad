"""`import` and `export`: trees of date folders, a Chevereto with its dump, and an export that is imported."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from imges.catalog import GUEST, Image, NewAlbum, NewImage, Privacy, Sort, utc_now
from imges.catalog.images import Images
from imges.errors import NotFound
from imges.maintenance.exporting import take_out
from imges.maintenance.hosts.chevereto import Chevereto, id_encoder
from imges.maintenance.importing import Imported, Wanted, bring_in
from imges.maintenance.source import NotTaken
from imges.storage import NewObject, StorageFull
from imges.storage.timed import TimedStorage
from tests import drawn
from tests.commands import run
from tests.maintenance.collection import Library, Said, open_library
from tests.served import IMGES

DAY = "2014/06/04"


def tree(folder: Path, **files: bytes) -> Path:
    """Writes files to the folder of a day. `__` in a name stands for a dot."""
    for name, content in files.items():
        put(folder, f"{DAY}/{name.replace('__', '.')}", content)
    return folder


def put(folder: Path, key: str, content: bytes) -> None:
    file = folder / key
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


async def imported(library: Library, folder: Path, **options: object) -> tuple[Imported, Said]:
    said = Said()
    context = replace(library.context, progress=said)
    return await bring_in(context, Wanted(folder, **options)), said  # pyright: ignore[reportArgumentType]


async def at(library: Library, key: str) -> Image:
    """The published picture of that address."""
    return await library.pictures.catalog.published.by_key(key, datetime.now(UTC))


async def test_a_tree_comes_in_byte_for_byte_under_its_old_addresses(library: Library, tmp_path: Path):
    original, thumb, medium = drawn.jpeg(900, 600), drawn.jpeg(180, 180), drawn.jpeg(450, 300)
    folder = tree(tmp_path / "old", a__jpg=original, a__th__jpg=thumb, a__md__jpg=medium, b__png=drawn.png())
    done, said = await imported(library, folder)
    assert (done.pictures, done.refused, said.lines) == (2, 0, [])
    assert library.file(f"{DAY}/a.jpg").read_bytes() == original
    assert library.file(f"{DAY}/a.th.jpg").read_bytes() == thumb
    assert library.file(f"{DAY}/a.md.jpg").read_bytes() == medium
    image = await at(library, f"{DAY}/a.md.jpg")
    assert (image.original.width, image.medium and image.medium.width, image.thumb.width) == (900, 450, 180)
    assert image.created.date().isoformat() == "2014-06-04"
    assert (await library.fsck(digests=True))[0].left == 0
    assert (folder / DAY / "a.jpg").stat().st_nlink == 1, "the storage has a file of the tree, not a copy"


async def test_an_import_can_be_run_again(library: Library, tmp_path: Path):
    folder = tree(tmp_path / "old", a__png=drawn.png(), b__png=drawn.png(9))
    await imported(library, folder)
    put(folder, f"{DAY}/c.png", drawn.png(10))
    done, said = await imported(library, folder)
    assert (done.pictures, done.present, said.lines) == (1, 2, [])
    assert len(await library.rows()) == 3


async def test_files_that_cannot_be_imported_are_reported_and_the_rest_is_imported(library: Library, tmp_path: Path):
    folder = tree(tmp_path / "old", good__png=drawn.png(), evil__php=b"<?php", damaged__png=drawn.png()[:50])
    put(folder, f"{DAY}/alone.th.png", drawn.png())
    put(folder, f"{DAY}/.hidden.png", drawn.png())
    put(folder, f"{DAY}/back\\slash.png", drawn.png())
    put(folder, f"{DAY}/escape\x1b[31m.png", drawn.png())
    put(folder, "2014/13/45/no-day.png", drawn.png())
    put(folder, "loose.png", drawn.png())
    (folder / os.fsdecode(b"2014/06/04/latin-\xfc.png")).write_bytes(drawn.png())
    (folder / DAY / "link.png").symlink_to("good.png")
    put(folder, f"{DAY}/html.gif", b"<html>")
    done, said = await imported(library, folder)
    assert (done.pictures, done.refused) == (1, 11)
    assert library.files() == {f"{DAY}/good.png", f"{DAY}/good.th.png"}
    assert all(line.isprintable() for line in said.lines)
    for name in ("evil.php", "damaged.png", "alone.th.png", ".hidden.png", "back", "escape", "no-day", "loose",
                 "latin", "link.png", "html.gif"):  # fmt: skip
        assert len(said.about(name)) == 1, name


async def test_imported_pictures_do_not_expire_even_if_new_ones_do(tmp_path: Path):
    async with open_library(tmp_path / "data", IMAGES__EXPIRE__MAX="90 days") as library:
        content = drawn.png()
        put(library.images, f"{DAY}/a.png", content)  # in place: it is the only copy
        assert (await imported(library, library.images))[0].pictures == 1
        await library.pictures.sweeping.sweep()
        assert (await at(library, f"{DAY}/a.png")).expires is None
        assert library.file(f"{DAY}/a.png").read_bytes() == content


@pytest.mark.parametrize("strip", [False, True])
async def test_blocked_pictures_are_left_out(library: Library, tmp_path: Path, strip: bool):
    folder = tree(tmp_path / "old", a__png=drawn.png(), b__png=drawn.png(9))
    await library.pictures.catalog.blocks.add(hashlib.md5(drawn.png()).hexdigest())
    done, said = await imported(library, folder, strip=strip)
    assert (done.pictures, done.refused) == (1, 1)
    assert "left out: this site does not take this picture" in said.lines[0]
    with pytest.raises(NotFound):
        await at(library, f"{DAY}/a.png")


async def test_the_bytes_decide_over_the_name(library: Library, tmp_path: Path):
    done, said = await imported(library, tree(tmp_path / "old", a__jpg=drawn.png()))
    assert done.pictures == 1
    assert "PNG by its bytes" in said.lines[0]
    assert (await at(library, f"{DAY}/a.jpg")).media_type == "image/png"


async def test_metadata_stays_or_goes_as_asked(library: Library, tmp_path: Path):
    await imported(library, tree(tmp_path / "old", a__jpg=drawn.jpeg()))
    await imported(library, tree(tmp_path / "strip", b__jpg=drawn.jpeg()), strip=True)
    assert b"Maker of cameras" in library.file(f"{DAY}/a.jpg").read_bytes()
    assert b"Maker of cameras" not in library.file(f"{DAY}/b.jpg").read_bytes()
    assert (await library.fsck(digests=True))[0].left == 0


async def test_an_address_that_another_picture_has_or_had_is_not_taken(library: Library, tmp_path: Path):
    image = await library.upload(drawn.png(), "a.png")
    put(tmp_path / "old", image.original.key, drawn.png(9))
    done, said = await imported(library, tmp_path / "old")
    assert (done.pictures, done.refused) == (0, 1)
    assert "another picture" in said.lines[0]
    await library.pictures.deleting.delete(image)
    _, said = await imported(library, tmp_path / "old")
    assert "deleted here" in said.lines[0]
    assert library.files() == set()


async def test_a_tree_that_is_the_storage_itself_is_never_at_risk(library: Library, monkeypatch: pytest.MonkeyPatch):
    """A sweep deletes the objects of pending rows of dead processes. Here they are the only copy."""
    tree(library.images, a__png=drawn.png())
    leases: list[str | None] = []
    take_in = Images.take_in

    async def seen(self: Images, new: NewImage, *, lease: str | None = None, **options: Any) -> Image:
        leases.append(lease)
        return await take_in(self, new, lease=lease, **options)

    monkeypatch.setattr(Images, "take_in", seen)
    done, _ = await imported(library, library.images)
    assert leases == [None]
    assert done.pictures == 1
    assert library.file(f"{DAY}/a.png").read_bytes() == drawn.png()
    assert (await library.fsck(digests=True))[0].left == 0


def test_an_import_that_was_killed_is_run_again(tmp_path: Path):
    for n in range(30):
        put(tmp_path / "old", f"{DAY}/{n}.jpg", drawn.jpeg(600 + n))
    database = tmp_path / "data/imges.db"
    for _ in range(5):
        if killed_while_it_imports(tmp_path, database) and killed_while_it_imports(tmp_path, database):
            break
        shutil.rmtree(tmp_path / "data")  # a busy machine did not come to kill it in time
    else:
        pytest.fail("it was over before it could be killed")
    finished = run(tmp_path, "import", "old")
    assert finished.returncode == 0
    assert "left out" not in finished.stdout
    assert rows(database) == 30
    assert run(tmp_path, "fsck", "--digests").stdout == "nothing is wrong\n"
    assert [file.name for file in (tmp_path / "data").glob("upkeep-*")] == []


def killed_while_it_imports(folder: Path, database: Path) -> bool:
    """Returns whether the import was killed before it ended."""
    running = subprocess.Popen([*IMGES, "import", "old"], cwd=folder, stdout=subprocess.DEVNULL)
    deadline, before = time.monotonic() + 60, rows(database)
    while rows(database) < before + 3 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    running.kill()
    status = running.wait()
    assert status <= 0
    return status < 0


def rows(database: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            return db.execute("SELECT count(*) FROM images").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


async def test_an_import_that_fails_leaves_nothing_behind(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    put(library.images, f"{DAY}/a.png", b"in the way")
    done, said = await imported(library, tree(tmp_path / "old", a__png=drawn.png()))
    assert (done.pictures, done.refused) == (0, 1)
    assert "another object" in said.lines[0]
    assert library.files() == {f"{DAY}/a.png"}
    assert await library.rows() == []


async def test_a_full_storage_ends_it_and_leaves_nothing_behind(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    storage = library.pictures.places["disk"].storage
    assert isinstance(storage, TimedStorage)
    put_all = storage.put_all

    async def full(objects: list[NewObject], stored: list[str]) -> None:
        await put_all([each for each in objects if ".th." in each.key], stored)
        raise StorageFull

    monkeypatch.setattr(storage, "put_all", full)
    with pytest.raises(StorageFull):
        await imported(library, tree(tmp_path / "old", a__png=drawn.png(), b__png=drawn.png(9)))
    assert library.files() == set()
    assert await library.rows() == []


# Chevereto

DUMP = Path(__file__).with_name("chevereto.sql")


async def test_a_chevereto_with_its_dump_keeps_titles_dates_views_and_ids(library: Library, tmp_path: Path):
    folder = tree(tmp_path / "chevereto/images", a__jpg=drawn.jpeg(), gone__png=drawn.png())
    put(folder, "loose.png", drawn.png(9))
    done, said = await imported(library, tmp_path / "chevereto", host=Chevereto(dump=DUMP))
    assert (done.pictures, done.without_file) == (2, 1)
    assert "image_id 5" in said.lines[0]
    assert "expired" in said.about("gone.png")[0]
    image = await at(library, f"{DAY}/a.jpg")
    encode = id_encoder("0a1b2c3d", 5000)
    assert image.id == encode(1)
    assert await library.pictures.finding.by_id(encode(1)) == image
    assert image.created == datetime(2014, 6, 3, 23, 30, tzinfo=UTC)
    assert (image.title, image.description) == ("It's 'the' title; (1)", "Line\r\nbreak")
    assert (image.original_filename, image.views, image.nsfw) == ("Grüße.JPG", 417, True)
    assert image.address is None, "it is older than addresses are kept"
    loose = await at(library, "loose.png")
    assert (loose.id, loose.expires) == (encode(3), datetime(2099, 1, 1, tzinfo=UTC))


# There and back


async def test_an_export_comes_back_as_it_was(tmp_path: Path):
    async with open_library(tmp_path / "one") as library:
        options = {"title": "Ein Titel", "description": "日本語", "tags": ("a", "b, c"), "nsfw": True}
        first = await library.upload(drawn.jpeg(), "a.jpg", **options, expiration=timedelta(days=400))
        second = await library.upload(drawn.gif(frames=3), "b.gif")
        gone = await library.upload(drawn.png(), "c.png")
        await library.pictures.deleting.delete(gone)
        await library.pictures.catalog.images.add_views({first.id: 7})
        albums = library.pictures.catalog.albums
        kept = await albums.make(
            NewAlbum("kept", "ann", "Ferien", first.created, privacy=Privacy.PASSWORD, password=b"hash", sort=Sort.NAME)
        )
        await library.pictures.catalog.album_pictures.add(kept, [second.number, first.number], utc_now())
        await albums.change(kept.number, lambda row: replace(row, cover=first.number))
        before = {image.id: await library.now(image) for image in (first, second)}
        contents = {name: library.file(name).read_bytes() for name in library.files()}
        exported = await take_out(library.context, tmp_path / "export", parallel=2)
        assert (exported.pictures, exported.failed) == (2, 0)
        again = await take_out(library.context, tmp_path / "export", parallel=2)
        assert again.pictures == 2
    lines = (tmp_path / "export/pictures.jsonl").read_text().splitlines()
    assert {json.loads(line)["key"] for line in lines} == {first.original.key, second.original.key}
    assert sorted(str(file.relative_to(tmp_path / "export")) for file in (tmp_path / "export").rglob("*.*")) == sorted(
        ["albums.jsonl", "pictures.jsonl", first.original.key, second.original.key]
    )
    async with open_library(tmp_path / "two") as library:
        done, said = await imported(library, tmp_path / "export")
        assert (done.pictures, said.lines) == (2, [])
        assert contents == {name: library.file(name).read_bytes() for name in library.files()}
        for image_id, image in before.items():
            assert image
            found = await library.pictures.finding.by_id(image_id)
            assert replace(found, number=image.number) == image
        await imported(library, tmp_path / "export")  # once more, which changes nothing
        album = await library.pictures.catalog.albums.by_id("kept", utc_now())
        assert (album.name, album.password, album.privacy, album.sort) == ("Ferien", b"hash", "password", "name")
        contents_of = library.pictures.catalog.album_pictures
        shown, _ = await contents_of.page(replace(album, sort=Sort.ADDED), utc_now(), limit=9)
        assert [image.id for image in shown] == [second.id, first.id]
        assert album.cover == shown[1].number
        guest = next(key for key in await library.pictures.catalog.keys.all() if key.name == GUEST)
        assert (guest.pictures, guest.bytes) == (2, sum(map(len, contents.values())))
        with pytest.raises(NotFound):
            await library.pictures.finding.by_id(gone.id)


async def test_a_changed_file_of_an_export_is_left_out(tmp_path: Path):
    async with open_library(tmp_path / "one") as library:
        image = await library.upload(drawn.png(), "a.png")
        await take_out(library.context, tmp_path / "export", parallel=1)
    (tmp_path / "export" / image.original.key).write_bytes(drawn.png(9))
    async with open_library(tmp_path / "two") as library:
        done, said = await imported(library, tmp_path / "export")
        assert done.pictures == 0
        assert "not the file" in said.lines[0]


async def test_a_list_that_cannot_be_read_is_refused(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tree(tmp_path / "old", a__png=drawn.png())
    (folder / "pictures.jsonl").symlink_to("/proc/self/mem")
    with pytest.raises(NotTaken, match="cannot be read"):
        await imported(library, folder)
