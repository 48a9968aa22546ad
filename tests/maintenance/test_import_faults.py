"""`import` of lines that no export wrote, of pipes, and of files with impossible times and names."""

import json
import os
from collections.abc import Generator
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest

from imges.maintenance.adopt import created_on
from imges.maintenance.exporting import take_out
from imges.maintenance.hosts.chevereto import Chevereto
from imges.pictures.lifetimes import LAST_END
from tests import drawn
from tests.commands import run
from tests.maintenance.collection import Library, open_library
from tests.maintenance.test_import import DAY, DUMP, at, imported, put, tree

KEY = f"{DAY}/a.png"
GOOD = {
    "key": KEY,
    "id": "abc",
    "created": "2014-06-04T10:00:00+00:00",
    "expires": "2999-01-01T00:00:00+00:00",
    "title": "A title",
    "tags": ["a"],
    "nsfw": True,
    "views": 5,
    "exif": {"Make": "x"},
    "from a later version": [1],
}


# Lines

BAD = [
    {"created": "9999-12-31T23:59:59-10:00"},
    {"created": "9999-06-01T00:00:00+00:00"},
    {"created": "0001-01-01T00:00:00+14:00"},
    {"created": "0999-12-31T23:59:59+00:00"},
    {"created": "2014-06-04T10:00:00"},
    {"created": 5},
    {"expires": "2999-01-01T00:00:00"},
    {"expires": "9999-12-31T23:59:59-10:00"},
    {"id": 5},
    {"original_filename": 5},
    {"title": 5},
    {"title": "\ud800"},
    {"title": "\0"},
    {"description": {}},
    {"tags": [1, 2]},
    {"tags": "ab"},
    {"tags": None},
    {"nsfw": "x"},
    {"views": "x"},
    {"views": -5},
    {"views": 1.5},
    {"views": 99999999999999999999999},
    {"views": 2**62},
    {"exif": 5},
    {"exif": {"Make": 5}},
    {"exif": {"Make": {"\x1b[31m": 5}}},
    {"delete_token_hash": "xyz"},
    {"delete_token_hash": 5},
    {"md5": "ab"},
    {"old_addresses": [["/a", "nothing"]]},
    {"old_addresses": ["/a"]},
]


def bad_lines() -> list[bytes]:
    lines = [json.dumps(GOOD | bad).encode() for bad in BAD]
    return [*lines, b'{"key":"%s","title":"\xff"}' % KEY.encode()]


@pytest.mark.parametrize("line", bad_lines())
async def test_a_bad_line_is_reported_its_picture_left_out_and_the_rest_imported(
    library: Library, tmp_path: Path, line: bytes
):
    folder = tree(tmp_path / "old", a__png=drawn.png(), b__png=drawn.png(9))
    put(folder, "pictures.jsonl", b'{"key": "2014/06/04/b.png", "title": "B"}\n' + line + b"\n")
    done, said = await imported(library, folder)
    assert (done.pictures, done.unreadable, done.refused, done.without_file) == (1, 1, 1, 0)
    (told,) = said.about("line 2 is not of an export")
    assert told.isprintable()
    (left_out,) = said.about(KEY)
    assert "makes no sense" in left_out
    assert (await at(library, f"{DAY}/b.png")).title == "B"


@pytest.mark.parametrize("line", [b"[1]", b"\xff", b"", b"[" * 100_000, b'{"key": "2014/06/04/a.p', b'{"key": "\xff"}'])
async def test_a_line_without_a_key_keeps_out_every_picture_without_a_line(
    library: Library, tmp_path: Path, line: bytes
):
    folder = tree(tmp_path / "old", a__png=drawn.png(), b__png=drawn.png(9))
    put(folder, "pictures.jsonl", b'{"key": "2014/06/04/b.png"}\n' + line + b"\n")
    done, said = await imported(library, folder)
    assert (done.pictures, done.unreadable, done.refused) == (1, 1, 1)
    assert said.about("line 2 is not of an export")
    assert "may be of it" in said.about(KEY)[0]
    put(folder, "pictures.jsonl", json.dumps(GOOD).encode() + b"\n")
    done, _ = await imported(library, folder)
    assert (done.pictures, done.present) == (1, 1)
    image = await at(library, KEY)
    assert (image.id, image.title, image.tags, image.views, image.exif) == ("abc", "A title", ("a",), 5, {"Make": "x"})


def test_bad_lines_are_exit_status_1(tmp_path: Path):
    folder = tree(tmp_path / "old", a__png=drawn.png(), b__png=drawn.png(9))
    put(folder, "pictures.jsonl", bad_lines()[0] + b"\n")
    said = run(tmp_path, "import", "old")
    assert (said.returncode, "Traceback" in said.stderr) == (1, False)
    assert "line 1 is not of an export" in said.stdout + said.stderr
    assert "1 lines could not be read" in said.stdout
    assert run(tmp_path, "fsck", "--digests").stdout == "nothing is wrong\n"
    put(folder, "pictures.jsonl", json.dumps(GOOD).encode() + b"\n")
    assert run(tmp_path, "import", "old").returncode == 0


async def test_an_expiry_at_the_end_of_the_calendar_becomes_the_last_one_possible(library: Library, tmp_path: Path):
    folder = tree(tmp_path / "old", a__png=drawn.png())
    line = GOOD | {"created": "1000-01-01T00:00:00+00:00", "expires": "9999-12-31T23:59:59+00:00"}
    put(folder, "pictures.jsonl", json.dumps(line).encode())
    assert (await imported(library, folder))[0].pictures == 1
    image = await at(library, KEY)
    assert (image.created, image.expires) == (datetime(1000, 1, 1, tzinfo=UTC), LAST_END)
    exported = await take_out(library.context, tmp_path / "export", parallel=1)
    assert exported.pictures == 1
    async with open_library(tmp_path / "two") as other:
        done, said = await imported(other, tmp_path / "export")
        assert (done.pictures, said.lines) == (1, [])


@pytest.mark.parametrize(("was", "becomes"), [("417", "-417"), ("417", "9" * 23), ("(1,'a'", "(-1,'a'")])
async def test_a_row_of_a_dump_that_makes_no_sense_leaves_its_picture_out(
    library: Library, tmp_path: Path, was: str, becomes: str
):
    folder = tree(tmp_path / "images", a__jpg=drawn.jpeg())
    dump = tmp_path / "dump.sql"
    dump.write_text(DUMP.read_text().replace(was, becomes, 1))
    done, said = await imported(library, folder, host=Chevereto(dump=dump))
    assert done.pictures == 0
    assert said.about("image_id 1" if was == "417" else "image_id -1")
    assert "makes no sense" in said.about("a.jpg")[0]


# Pipes: the time limit of `run` ends a command that hangs


def test_pipes_are_left_out_of_an_import(tmp_path: Path):
    folder = tree(tmp_path / "old", v__png=drawn.png(), w__png=drawn.png(900, 600))
    for name in ("fifo.png", "v.th.png", "w.md.png"):
        os.mkfifo(folder / DAY / name)
    said = run(tmp_path, "import", "old")
    assert (said.returncode, said.stdout.count("it is no file") + said.stderr.count("it is no file")) == (0, 3)
    assert "2 pictures came in" in said.stdout
    assert run(tmp_path, "fsck", "--digests").stdout == "nothing is wrong\n"


async def test_a_folder_in_the_place_of_a_thumb_is_no_thumb(library: Library, tmp_path: Path):
    folder = tree(tmp_path / "old", v__png=drawn.png())
    (folder / DAY / "v.th.png").mkdir()
    assert (await imported(library, folder))[0].pictures == 1


# Times and names


@pytest.fixture
def beyond() -> Generator[Path]:
    """A folder on a file system that keeps times beyond the calendar."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        file = Path(folder, "x")
        file.touch()
        os.utime(file, (0, 300_000_000_000))
        if file.stat().st_mtime != 300_000_000_000:
            pytest.skip("/dev/shm keeps no such times")
        file.unlink()
        yield Path(folder)


@pytest.mark.parametrize("seconds", [300_000_000_000, -100_000_000_000, 253_402_300_000])
async def test_a_file_with_an_impossible_time_gets_the_day_of_its_folder(library: Library, beyond: Path, seconds: int):
    tree(beyond, a__png=drawn.png())
    os.utime(beyond / KEY, (0, seconds))
    done, said = await imported(library, beyond)
    assert (done.pictures, said.lines) == (1, [])
    assert (await at(library, KEY)).created == datetime(2014, 6, 4, tzinfo=UTC)


@pytest.mark.parametrize("year", ["0001", "0999", "9999"])
async def test_folders_at_the_ends_of_the_calendar_are_no_date_folders(tmp_path: Path, year: str):
    folder = tmp_path / "old"
    put(folder, f"{year}/01/01/x.png", drawn.png())
    put(folder, "1000/01/01/y.png", drawn.png())
    async with open_library(tmp_path / "data", SITE__TIME_ZONE="Europe/Berlin") as library:
        done, said = await imported(library, folder)
        assert (done.pictures, done.refused) == (1, 1)
        assert "not in the folder of a day" in said.about("x.png")[0]
        put(library.images, f"{year}/01/01/x.png", drawn.png())
        assert not (await library.fsck(repair=True))[0].left
        assert not (await library.fsck(digests=True))[0].left


@pytest.mark.parametrize(
    ("day", "modified", "created"),
    [
        (date(2014, 6, 4), datetime(2014, 6, 4, 9, tzinfo=UTC), datetime(2014, 6, 4, 9, tzinfo=UTC)),
        (date(2014, 6, 4), datetime(2020, 1, 1, tzinfo=UTC), datetime(2014, 6, 3, 22, tzinfo=UTC)),
        (date(2014, 6, 4), None, datetime(2014, 6, 3, 22, tzinfo=UTC)),
        (date(2014, 6, 4), datetime.max.replace(tzinfo=UTC), datetime(2014, 6, 3, 22, tzinfo=UTC)),
        (date(1000, 1, 1), None, datetime(1000, 1, 1, tzinfo=UTC)),
        (None, datetime(2014, 6, 4, 9, tzinfo=UTC), datetime(2014, 6, 4, 9, tzinfo=UTC)),
        (None, None, None),
        (None, datetime.min.replace(tzinfo=UTC), None),
        (None, datetime.max.replace(tzinfo=UTC), None),
    ],
)
def test_the_time_of_a_picture_is_that_of_its_file_if_it_fits_its_folder(
    day: date | None, modified: datetime | None, created: datetime | None
):
    before = datetime.now(UTC)
    found = created_on(day, modified, ZoneInfo("Europe/Berlin"))
    assert found == created if created else before <= found <= datetime.now(UTC)


async def test_a_name_too_long_for_a_thumb_is_left_out(library: Library, tmp_path: Path):
    put(tmp_path / "old", f"{DAY}/{'n' * 248}.png", drawn.png())
    put(tmp_path / "old", f"{DAY}/{'n' * 249}.png", drawn.png())
    done, said = await imported(library, tmp_path / "old")
    assert (done.pictures, done.refused) == (1, 1)
    assert "too long" in said.lines[0]
