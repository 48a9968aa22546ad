"""`import` and `export`: trees of date folders, a Chevereto's dump, and the way there and back."""

import hashlib
import json
import os
import re
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

from imges.catalog import GUEST, Image, NewImage
from imges.catalog.upkeep import Upkeep
from imges.errors import NotFound
from imges.maintenance import mysql_dump
from imges.maintenance.chevereto import id_encoder
from imges.maintenance.exporting import take_out
from imges.maintenance.importing import Imported, NotTaken, Wanted, bring_in
from imges.maintenance.tools import Tools
from imges.measured import MeasuredStorage
from imges.storage import NewObject, StorageFull
from tests import pictures
from tests.maintenance.collection import Library, Said, open_library
from tests.maintenance.commands import run
from tests.served import IMGES

DAY = "2014/06/04"


def tree(folder: Path, **files: bytes) -> Path:
    """Files in the folder of a day; `__` in a name is a dot."""
    for name, content in files.items():
        put(folder, f"{DAY}/{name.replace('__', '.')}", content)
    return folder


def put(folder: Path, key: str, content: bytes) -> None:
    file = folder / key
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


async def imported(library: Library, folder: Path, **options: object) -> tuple[Imported, Said]:
    said = Said()
    tools = Tools(library.settings, library.service, library.tools.room, said)
    return await bring_in(tools, Wanted(folder, **options)), said  # pyright: ignore[reportArgumentType]


async def at(library: Library, key: str) -> Image:
    """The published picture of that address."""
    return await library.service.catalog.by_key(key, datetime.now(UTC))


async def test_a_tree_comes_in_byte_for_byte_under_its_old_addresses(library: Library, tmp_path: Path):
    original, thumb, medium = pictures.jpeg(900, 600), pictures.jpeg(180, 180), pictures.jpeg(450, 300)
    folder = tree(tmp_path / "old", a__jpg=original, a__th__jpg=thumb, a__md__jpg=medium, b__png=pictures.png())
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


async def test_it_can_be_run_again(library: Library, tmp_path: Path):
    folder = tree(tmp_path / "old", a__png=pictures.png(), b__png=pictures.png(9))
    await imported(library, folder)
    put(folder, f"{DAY}/c.png", pictures.png(10))
    done, said = await imported(library, folder)
    assert (done.pictures, done.present, said.lines) == (1, 2, [])
    assert len(await library.rows()) == 3


async def test_what_cannot_come_in_is_told_and_the_rest_does(library: Library, tmp_path: Path):
    folder = tree(tmp_path / "old", good__png=pictures.png(), evil__php=b"<?php", damaged__png=pictures.png()[:50])
    put(folder, f"{DAY}/alone.th.png", pictures.png())
    put(folder, f"{DAY}/.hidden.png", pictures.png())
    put(folder, f"{DAY}/back\\slash.png", pictures.png())
    put(folder, f"{DAY}/escape\x1b[31m.png", pictures.png())
    put(folder, "2014/13/45/no-day.png", pictures.png())
    put(folder, "loose.png", pictures.png())
    (folder / os.fsdecode(b"2014/06/04/latin-\xfc.png")).write_bytes(pictures.png())
    (folder / DAY / "link.png").symlink_to("good.png")
    put(folder, f"{DAY}/html.gif", b"<html>")
    done, said = await imported(library, folder)
    assert (done.pictures, done.refused) == (1, 11)
    assert library.files() == {f"{DAY}/good.png", f"{DAY}/good.th.png"}
    assert all(line.isprintable() for line in said.lines)
    for name in ("evil.php", "damaged.png", "alone.th.png", ".hidden.png", "back", "escape", "no-day", "loose",
                 "latin", "link.png", "html.gif"):  # fmt: skip
        assert len(said.about(name)) == 1, name


async def test_what_comes_in_stays_as_long_as_it_was_to(tmp_path: Path):
    async with open_library(tmp_path / "data", IMAGES__EXPIRE__MAX="90 days") as library:
        content = pictures.png()
        put(library.images, f"{DAY}/a.png", content)  # in place: it is the only copy
        assert (await imported(library, library.images))[0].pictures == 1
        await library.service.sweep()
        assert (await at(library, f"{DAY}/a.png")).expires is None
        assert library.file(f"{DAY}/a.png").read_bytes() == content


@pytest.mark.parametrize("strip", [False, True])
async def test_blocked_pictures_are_left_out(library: Library, tmp_path: Path, strip: bool):
    folder = tree(tmp_path / "old", a__png=pictures.png(), b__png=pictures.png(9))
    await library.service.catalog.add_block(hashlib.md5(pictures.png()).hexdigest())
    done, said = await imported(library, folder, strip=strip)
    assert (done.pictures, done.refused) == (1, 1)
    assert "left out: this site does not take this picture" in said.lines[0]
    with pytest.raises(NotFound):
        await at(library, f"{DAY}/a.png")


async def test_the_bytes_decide_over_the_name(library: Library, tmp_path: Path):
    done, said = await imported(library, tree(tmp_path / "old", a__jpg=pictures.png()))
    assert done.pictures == 1
    assert "PNG by its bytes" in said.lines[0]
    assert (await at(library, f"{DAY}/a.jpg")).media_type == "image/png"


async def test_metadata_stays_or_goes_as_asked(library: Library, tmp_path: Path):
    await imported(library, tree(tmp_path / "old", a__jpg=pictures.jpeg()))
    await imported(library, tree(tmp_path / "strip", b__jpg=pictures.jpeg()), strip=True)
    assert b"Maker of cameras" in library.file(f"{DAY}/a.jpg").read_bytes()
    assert b"Maker of cameras" not in library.file(f"{DAY}/b.jpg").read_bytes()
    assert (await library.fsck(digests=True))[0].left == 0


async def test_an_address_that_is_taken_stays_with_whom_it_is(library: Library, tmp_path: Path):
    image = await library.upload(pictures.png(), "a.png")
    put(tmp_path / "old", image.original.key, pictures.png(9))
    done, said = await imported(library, tmp_path / "old")
    assert (done.pictures, done.refused) == (0, 1)
    assert "another picture" in said.lines[0]
    await library.service.delete(image)
    _, said = await imported(library, tmp_path / "old")
    assert "deleted here" in said.lines[0]
    assert library.files() == set()


async def test_a_tree_that_is_the_storage_itself_is_never_at_risk(library: Library, monkeypatch: pytest.MonkeyPatch):
    """A sweep deletes the objects of what is pending when its process dies: here they are the only copy."""
    tree(library.images, a__png=pictures.png())
    leases: list[str | None] = []
    take_in = Upkeep.take_in

    async def seen(self: Upkeep, new: NewImage, *, lease: str | None = None, **options: Any) -> Image:
        leases.append(lease)
        return await take_in(self, new, lease=lease, **options)

    monkeypatch.setattr(Upkeep, "take_in", seen)
    done, _ = await imported(library, library.images)
    assert leases == [None]
    assert done.pictures == 1
    assert library.file(f"{DAY}/a.png").read_bytes() == pictures.png()
    assert (await library.fsck(digests=True))[0].left == 0


def test_an_import_that_was_killed_is_run_again(tmp_path: Path):
    for n in range(30):
        put(tmp_path / "old", f"{DAY}/{n}.jpg", pictures.jpeg(600 + n))
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
    """Whether it was killed before it was over."""
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
    done, said = await imported(library, tree(tmp_path / "old", a__png=pictures.png()))
    assert (done.pictures, done.refused) == (0, 1)
    assert "another object" in said.lines[0]
    assert library.files() == {f"{DAY}/a.png"}
    assert await library.rows() == []


async def test_a_full_storage_ends_it_and_leaves_nothing_behind(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    storage = library.service.places["disk"].storage
    assert isinstance(storage, MeasuredStorage)
    put_all = storage.put_all

    async def full(objects: list[NewObject], begun: list[str]) -> None:
        await put_all([each for each in objects if ".th." in each.key], begun)
        raise StorageFull

    monkeypatch.setattr(storage, "put_all", full)
    with pytest.raises(StorageFull):
        await imported(library, tree(tmp_path / "old", a__png=pictures.png(), b__png=pictures.png(9)))
    assert library.files() == set()
    assert await library.rows() == []


# Chevereto

DUMP = Path(__file__).with_name("chevereto.sql")


async def test_a_chevereto_with_its_dump_keeps_titles_dates_views_and_ids(library: Library, tmp_path: Path):
    folder = tree(tmp_path / "chevereto/images", a__jpg=pictures.jpeg(), gone__png=pictures.png())
    put(folder, "loose.png", pictures.png(9))
    done, said = await imported(library, tmp_path / "chevereto", dump=DUMP)
    assert (done.pictures, done.without_file) == (2, 1)
    assert "image_id 5" in said.lines[0]
    assert "expired" in said.about("gone.png")[0]
    image = await at(library, f"{DAY}/a.jpg")
    encode = id_encoder("0a1b2c3d", 5000)
    assert image.id == encode(1)
    assert await library.service.view(encode(1)) == image
    assert image.created == datetime(2014, 6, 3, 23, 30, tzinfo=UTC)
    assert (image.title, image.description) == ("It's 'the' title; (1)", "Line\r\nbreak")
    assert (image.original_filename, image.views, image.nsfw) == ("Grüße.JPG", 417, True)
    assert image.address is None, "it is older than addresses are kept"
    loose = await at(library, "loose.png")
    assert (loose.id, loose.expires) == (encode(3), datetime(2099, 1, 1, tzinfo=UTC))


def test_ids_are_encoded_as_a_chevereto_does():
    """The letters of a salt as PHP 8.2 sorts them (array_multisort by the digits of its SHA-512, downwards)."""
    encode = id_encoder("751b13d3", 0)
    assert "".join(map(encode, range(1, 62))) == "Ll7Ecw8BdqAMPbio6Qejk5RTWfvNgsu0DGHJKSZmzUp2IOa14FtCxXyhn3VYr"
    assert [encode(n) for n in (1, 2, 61, 62, 63)] == ["L", "l", "r", "L9", "LL"]
    assert id_encoder("751b13d3", 62)(1) == "L9"


@pytest.mark.parametrize("block", [1, 7, 64, 2**20])
def test_a_dump_is_read_whatever_the_borders_of_blocks(monkeypatch: pytest.MonkeyPatch, block: int):
    whole = list(mysql_dump.rows(DUMP, re.compile(r"\w+")))
    monkeypatch.setattr(mysql_dump, "BLOCK", block)
    assert list(mysql_dump.rows(DUMP, re.compile(r"\w+"))) == whole
    assert len(whole) == 7


# There and back


async def test_an_export_comes_back_as_it_was(tmp_path: Path):
    async with open_library(tmp_path / "one") as library:
        options = {"title": "Ein Titel", "description": "日本語", "tags": ("a", "b, c"), "nsfw": True}
        first = await library.upload(pictures.jpeg(), "a.jpg", **options, expiration=timedelta(days=400))
        second = await library.upload(pictures.gif(frames=3), "b.gif")
        gone = await library.upload(pictures.png(), "c.png")
        await library.service.delete(gone)
        await library.service.catalog.add_views({first.id: 7})
        before = {image.id: await library.now(image) for image in (first, second)}
        contents = {name: library.file(name).read_bytes() for name in library.files()}
        exported = await take_out(library.tools, tmp_path / "export", parallel=2)
        assert (exported.pictures, exported.failed) == (2, 0)
        again = await take_out(library.tools, tmp_path / "export", parallel=2)
        assert again.pictures == 2
    lines = (tmp_path / "export/pictures.jsonl").read_text().splitlines()
    assert {json.loads(line)["key"] for line in lines} == {first.original.key, second.original.key}
    assert sorted(str(file.relative_to(tmp_path / "export")) for file in (tmp_path / "export").rglob("*.*")) == sorted(
        ["pictures.jsonl", first.original.key, second.original.key]
    )
    async with open_library(tmp_path / "two") as library:
        done, said = await imported(library, tmp_path / "export")
        assert (done.pictures, said.lines) == (2, [])
        assert contents == {name: library.file(name).read_bytes() for name in library.files()}
        for image_id, image in before.items():
            assert image
            found = await library.service.view(image_id)
            assert replace(found, number=image.number) == image
        guest = next(key for key in await library.service.catalog.keys() if key.name == GUEST)
        assert (guest.pictures, guest.bytes) == (2, sum(map(len, contents.values())))
        with pytest.raises(NotFound):
            await library.service.view(gone.id)


async def test_a_file_of_an_export_that_was_changed_is_left_out(tmp_path: Path):
    async with open_library(tmp_path / "one") as library:
        image = await library.upload(pictures.png(), "a.png")
        await take_out(library.tools, tmp_path / "export", parallel=1)
    (tmp_path / "export" / image.original.key).write_bytes(pictures.png(9))
    async with open_library(tmp_path / "two") as library:
        done, said = await imported(library, tmp_path / "export")
        assert done.pictures == 0
        assert "not the file" in said.lines[0]


async def test_a_list_that_cannot_be_read_is_refused(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tree(tmp_path / "old", a__png=pictures.png())
    (folder / "pictures.jsonl").symlink_to("/proc/self/mem")
    with pytest.raises(NotTaken, match="cannot be read"):
        await imported(library, folder)
