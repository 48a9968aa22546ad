"""A Chevereto moves in: its ids, its dump in many shapes, its users, and what earlier imports did wrong."""

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from imges.catalog import Image
from imges.maintenance.hosts.chevereto import LETTERS, Chevereto, id_encoder
from imges.maintenance.hosts.dump_file import NotUnderstood
from imges.maintenance.hosts.host import Owners
from imges.maintenance.importing import Imported, Wanted
from imges.maintenance.trial import rehearse, try_address
from tests import drawn
from tests.maintenance.collection import Library, Said
from tests.maintenance.test_import import at, imported, put

REAL = ["Nef", "uve", "7tz", "xsq", "2k0", "5Io", "X2B"]
"""What a fresh Chevereto-Free 1.6.2 answered as `id_encoded` of its first pictures (crypt_salt e607f64d, id_padding
5000)."""

SETTINGS = (
    "INSERT INTO `chv_settings` (`setting_id`,`setting_name`,`setting_value`) VALUES"
    " (1,'crypt_salt','e607f64d'),(2,'id_padding','{padding}');\n"
)
USERS = "INSERT INTO `chv_users` (`user_id`,`user_username`) VALUES (1,'anna'),(2,'Jörg & Co'),(3,'guest');\n"
REST = (
    "INSERT INTO `chv_categories` (`category_id`,`category_name`) VALUES (1,'Cats');\n"
    "INSERT INTO `chv_tags` (`tag_id`,`tag_name`) VALUES (1,'sea'),(2,'sun');\n"
    "INSERT INTO `chv_tags_files` (`tag_file_tag_id`,`tag_file_file_id`) VALUES (1,1),(2,1),(2,2);\n"
    "INSERT INTO `chv_albums` (`album_id`,`album_name`) VALUES (1,'one'),(2,'two');\n"
)
COLUMNS = (
    "image_id,image_name,image_extension,image_date,image_date_gmt,image_title,image_user_id,image_category_id,"
    "image_uploader_ip,image_storage_mode,image_original_filename,image_views"
)


def values(number: int, title: str | None = None) -> str:
    category = "1" if number == 1 else "NULL"
    said = "NULL" if title is None else f"'{title}'"
    return (
        f"({number},'p{number}','png','2014-06-04 01:30:00','2014-06-03 23:30:00',{said},{number % 4 or 'NULL'},"
        f"{category},'192.0.2.7','datefolder','P {number}.PNG',{number * 10})"
    )


def images(numbers: Iterable[int], **titles: str) -> str:
    rows = ",".join(values(number, titles.get(f"p{number}")) for number in numbers)
    return f"INSERT INTO `chv_images` ({COLUMNS}) VALUES {rows};\n"


def dump(folder: Path, *texts: str, padding: int = 5000) -> Path:
    file = folder / "dump.sql"
    file.write_text("".join([SETTINGS.format(padding=padding), *texts]))
    return file


def site(folder: Path, numbers: Iterable[int]) -> Path:
    """The folder of a Chevereto with these pictures, all of them different."""
    for number in numbers:
        put(folder, f"images/2014/06/04/p{number}.png", drawn.png(number + 1, 7))
    return folder


async def picture(library: Library, number: int) -> Image:
    return await at(library, f"2014/06/04/p{number}.png")


async def bring(library: Library, folder: Path, file: Path) -> tuple[Imported, Said]:
    return await imported(library, folder, host=Chevereto(dump=file))


def test_ids_are_those_that_a_real_chevereto_gave():
    assert list(map(id_encoder("e607f64d", 5000), range(1, 8))) == REAL


def test_without_padding_the_number_itself_is_encoded():
    encode = id_encoder("e607f64d", 0)
    assert [len(encode(number)) for number in (1, 61, 62, 62**2 - 1, 62**2)] == [1, 1, 2, 2, 3]
    assert len(set(map(encode, range(1, 5000)))) == 4999
    assert encode(5000) == REAL[0]


async def test_ids_tags_and_users_come_along_and_the_rest_is_counted(library: Library, tmp_path: Path):
    made: dict[str, str | None] = {}

    async def make_key(name: str, text: str | None) -> bool:
        made[name] = text
        return True

    host = Chevereto(dump=dump(tmp_path, images(range(1, 8), p1="Ein Titel"), USERS, REST))
    done, said = await imported(library, site(tmp_path / "old", range(1, 8)), host=host, make_key=make_key)
    assert (done.pictures, done.refused, said.lines) == (7, 0, [])
    rows = [await picture(library, number) for number in range(1, 8)]
    assert [row.id for row in rows] == REAL
    assert [row.tags for row in rows[:3]] == [("Cats", "sea", "sun"), ("sun",), ()]
    assert [row.api_key for row in rows] == ["anna", "J-rg-Co", "guest-3", "guest", "anna", "J-rg-Co", "guest-3"]
    assert made == {"anna": None, "J-rg-Co": None, "guest-3": None}
    assert dict(host.counted) == {"albums": 2, "likes": 0, "follows": 0, "pages": 0}


async def test_one_key_may_get_all_pictures(library: Library, tmp_path: Path):
    host = Chevereto(dump=dump(tmp_path, images([1]), USERS), owners=Owners(wanted=False))
    done, _ = await imported(library, site(tmp_path / "old", [1]), host=host, api_key="mine")
    assert (done.keys, (await picture(library, 1)).api_key) == ([], "mine")


# Dumps that are not understood


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no dump of a Chevereto"),
        (b"CREATE TABLE `wp_posts` (`id` int); INSERT INTO `wp_posts` VALUES (1);", "no dump of a Chevereto"),
        (SETTINGS.format(padding=0).encode(), "has no rows of a table …images with a column image_id"),
        (images([1]).encode(), "has no crypt_salt in chv_settings"),
        (b"<?xml version='1.0'?>", "it is XML"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        ((SETTINGS + images([1])).encode()[:-30], "not whole"),
        (gzip.compress((SETTINGS + images([1])).encode())[:-20], "not whole"),
        (f"{SETTINGS}INSERT INTO chv_images VALUES {values(1)};".encode(), "what the columns of chv_images are"),
    ],
)
async def test_a_dump_that_is_not_understood_stops_before_anything_is_taken_in(
    library: Library, tmp_path: Path, content: bytes, reason: str
):
    (tmp_path / "dump.sql").write_bytes(content)
    with pytest.raises(NotUnderstood, match=reason):
        await bring(library, site(tmp_path / "old", [1]), tmp_path / "dump.sql")
    assert await library.rows() == []


@pytest.mark.parametrize(
    ("tables", "named"),
    [(("chv_", "old_"), ("chv_", "old_")), (("`a`.chv_", "`b`.chv_"), ("a.chv_", "b.chv_"))],
)
async def test_of_two_sites_in_one_dump_one_has_to_be_named(
    library: Library, tmp_path: Path, tables: tuple[str, str], named: tuple[str, str]
):
    one = (SETTINGS.format(padding=0) + images([1], p1="one")).replace("`", "")
    two = (SETTINGS.format(padding=5000) + images([1], p1="two")).replace("`", "")
    file = tmp_path / "dump.sql"
    file.write_text(one.replace("chv_", tables[0]) + two.replace("chv_", tables[1]))
    folder = site(tmp_path / "old", [1])
    with pytest.raises(NotUnderstood, match=rf"choose one by --site PREFIX: {named[0]} \(1 pictures\), {named[1]} \(1"):
        await bring(library, folder, file)
    with pytest.raises(NotUnderstood, match="no site of its own called x_"):
        await imported(library, folder, host=Chevereto(dump=file, site="x_"))
    assert await library.rows() == []
    await imported(library, folder, host=Chevereto(dump=file, site=named[1]))
    image = await picture(library, 1)
    assert (image.title, image.id) == ("two", REAL[0])


async def test_a_dump_in_latin1_comes_in_right(library: Library, tmp_path: Path):
    file = dump(tmp_path, images([1], p1="Gr\u00fc\u00dfe \u2013 5 \u20ac"))
    file.write_bytes(file.read_text().encode("cp1252"))
    await bring(library, site(tmp_path / "old", [1]), file)
    assert (await picture(library, 1)).title == "Gr\u00fc\u00dfe \u2013 5 \u20ac"


@pytest.mark.parametrize(
    "broken",
    ["(NULL", "(0", "(-1", "('x'", f"({2**63}", "(1e3"],
)
async def test_a_row_that_makes_no_sense_is_counted(library: Library, tmp_path: Path, broken: str):
    file = dump(tmp_path, images([1, 2]).replace("(1", broken, 1), "INSERT INTO chv_images (image_id, a) VALUES (7);")
    done, said = await bring(library, site(tmp_path / "old", [1, 2]), file)
    assert (done.pictures, done.refused) == (1, 3)
    assert len(said.about("this row makes no sense")) == 2
    assert "makes no sense" in said.about("p1.png")[0]
    assert (await picture(library, 2)).id == REAL[1]


async def test_what_waits_for_approval_there_is_left_out(library: Library, tmp_path: Path):
    text = images([1, 2]).replace("image_views)", "image_is_approved)").replace(",10)", ",0)").replace(",20)", ",1)")
    done, said = await bring(library, site(tmp_path / "old", [1, 2]), dump(tmp_path, text))
    assert (done.pictures, done.refused) == (1, 1)
    assert "waits for approval" in said.about("p1.png")[0]


# A second run mends the first


def earlier(number: int, padding: int) -> str:
    """The id that imges gave before, when it sorted the letters by SHA-512."""
    order = hashlib.sha512(b"e607f64d").hexdigest()
    pairs = sorted(zip(order, LETTERS, strict=False), key=lambda pair: (-ord(pair[0]), pair[1]))
    letters, value, encoded = [letter for _, letter in pairs], number * (padding or 1), ""
    while value:
        value, digit = divmod(value, len(letters))
        encoded = letters[digit] + encoded
    return encoded


async def brought_wrongly(library: Library, folder: Path, numbers: range, padding: int) -> None:
    """As an earlier imges did it."""
    await imported(library, folder)
    for number in numbers:
        image = await picture(library, number)
        await library.pictures.catalog.mending.give_id(image, earlier(number, padding), keep=False)


async def shown(library: Library, identity: str) -> str:
    return (await library.pictures.finding.by_id(identity)).original.key


async def test_a_second_run_gives_the_right_ids_and_keeps_the_wrong_ones(library: Library, tmp_path: Path):
    numbers = range(1, 31)
    folder = site(tmp_path / "old", numbers)
    await brought_wrongly(library, folder, numbers, 5000)
    file = dump(tmp_path, images(numbers))
    done, said = await bring(library, folder, file)
    assert (done.pictures, done.present, done.mended, done.refused) == (0, 30, 30, 0)
    encode = id_encoder("e607f64d", 5000)
    for number in numbers:
        key = f"2014/06/04/p{number}.png"
        assert await shown(library, encode(number)) == await shown(library, earlier(number, 5000)) == key
        assert (await library.pictures.finding.by_id(earlier(number, 5000))).id == encode(number)
    assert said.lines == []
    again, said = await bring(library, folder, file)
    assert (again.present, again.mended, said.lines) == (30, 0, [])


async def test_a_wrong_id_that_is_another_pictures_right_id_goes_to_that_one(library: Library, tmp_path: Path):
    numbers = range(1, 62)  # without padding both alphabets give these numbers the same letters
    folder = site(tmp_path / "old", numbers)
    await brought_wrongly(library, folder, numbers, 0)
    file = dump(tmp_path, images(numbers), padding=0)
    done, said = await bring(library, folder, file)
    encode = id_encoder("e607f64d", 0)
    assert {await shown(library, encode(number)) for number in numbers} == {
        f"2014/06/04/p{number}.png" for number in numbers
    }
    for number in numbers:
        assert await shown(library, encode(number)) == f"2014/06/04/p{number}.png"
    assert done.mended == 61
    assert said.about("is the address of")
    assert (await bring(library, folder, file))[0].mended == 0


async def test_a_picture_that_comes_later_gets_its_id_from_the_one_that_had_it_by_mistake(
    library: Library, tmp_path: Path
):
    encode = id_encoder("e607f64d", 0)
    first = next(number for number in range(1, 62) if earlier(number, 0) != encode(number))
    second = next(number for number in range(1, 62) if encode(number) == earlier(first, 0))
    await brought_wrongly(library, site(tmp_path / "one", [first]), range(first, first + 1), 0)
    file = dump(tmp_path, images([first, second]), padding=0)
    done, _ = await bring(library, site(tmp_path / "two", [first, second]), file)
    assert (done.pictures, done.present) == (1, 1)
    for number in (first, second):
        assert await shown(library, encode(number)) == f"2014/06/04/p{number}.png"


async def test_the_id_of_a_picture_that_was_uploaded_here_is_not_taken_away(library: Library, tmp_path: Path):
    own = await library.upload(drawn.png(300, 9))
    await library.pictures.catalog.mending.give_id(own, REAL[0], keep=False)
    folder = site(tmp_path / "old", [1])
    await imported(library, folder)
    done, said = await bring(library, folder, dump(tmp_path, images([1])))
    assert (done.present, done.refused) == (1, 0)
    assert f"its id {REAL[0]} is another picture's here" in said.about("p1.png")[0]
    assert await shown(library, REAL[0]) == own.original.key


async def test_a_better_dump_fills_in_what_was_missing_and_changes_nothing_else(library: Library, tmp_path: Path):
    folder = site(tmp_path / "old", [1, 2])
    await imported(library, folder)
    before = await picture(library, 2)
    await library.pictures.catalog.mending.fill(before, replace(before, title="Changed here", views=500))
    file = dump(tmp_path, images([1, 2], p1="One", p2="Two"), USERS, REST)
    done, _ = await bring(library, folder, file)
    assert (done.present, done.mended) == (2, 2)
    one, two = await picture(library, 1), await picture(library, 2)
    assert (one.title, one.id, one.views, one.api_key) == ("One", REAL[0], 10, "anna")
    assert (one.original_filename, one.created.isoformat()) == ("P 1.PNG", "2014-06-03T23:30:00+00:00")
    assert (two.title, two.id, two.views, two.tags) == ("Changed here", REAL[1], 500, ("sun",))
    assert await shown(library, before.id) == two.original.key, "links that were made meanwhile"


# Before anything is done


async def test_a_rehearsal_says_what_would_come_and_takes_nothing(library: Library, tmp_path: Path):
    folder = site(tmp_path / "old", range(1, 13))
    put(folder, "images/2014/06/04/notes.txt", b"x")
    said = Said()
    file = dump(tmp_path, images(range(1, 15)), "INSERT INTO chv_images (a) VALUES (1);")
    wanted = Wanted(folder, Chevereto(dump=file))
    trial = await rehearse(replace(library.context, progress=said), wanted)
    assert (trial.pictures, trial.present, trial.refused, trial.without_file) == (12, 0, 2, 2)
    assert len(trial.samples) == 10
    assert (f"/image/{REAL[0]}", f"/image/{REAL[0]}") in trial.samples
    assert await library.rows() == []


@pytest.mark.parametrize(
    "address",
    [
        f"https://old.example/image/{REAL[1]}",
        f"https://old.example/image/some.title.{REAL[1]}",
        f"/image/{REAL[1]}/",
        "http://old.example/images/2014/06/04/p2.png",
    ],
)
async def test_an_address_that_is_tried_proves_salt_and_padding(library: Library, tmp_path: Path, address: str):
    folder, file = site(tmp_path / "old", [1, 2]), dump(tmp_path, images([1, 2], p2="Two"))
    found = await try_address(library.context, Wanted(folder, Chevereto(dump=file)), address)
    assert found
    assert found.endswith('is 2014/06/04/p2.png, "Two", of 2014-06-03 23:30 UTC')
    wrong = dump(tmp_path, images([1, 2]), padding=7)
    if "images" not in address:
        assert await try_address(library.context, Wanted(folder, Chevereto(dump=wrong)), address) is None


async def test_an_address_of_a_picture_without_a_file_says_so(library: Library, tmp_path: Path):
    wanted = Wanted(site(tmp_path / "old", [1]), Chevereto(dump=dump(tmp_path, images([1, 2]))))
    found = await try_address(library.context, wanted, f"https://old.example/image/{REAL[1]}")
    assert found
    assert "has no file here" in found
    assert await try_address(library.context, wanted, "https://old.example/") is None
