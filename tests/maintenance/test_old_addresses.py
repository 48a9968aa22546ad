"""Folders of hosts that nobody wrote an importer for: their addresses are kept by a map, or by the folder's path."""

import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imges.catalog import OldAddress, Shows
from imges.errors import Gone, NotFound
from imges.maintenance.exporting import take_out
from imges.maintenance.hosts import host_of
from imges.maintenance.hosts.host import Host
from imges.maintenance.importing import Wanted, bring_in
from imges.maintenance.source import Also, old_path
from imges.maintenance.trial import rehearse, try_address
from tests import drawn
from tests.commands import run
from tests.maintenance.collection import Library, Said, open_library
from tests.maintenance.test_import import imported, put

FOLDER = {"owners": True, "tokens": False, "site": None}


def folder() -> Host:
    return host_of("folder", None, **FOLDER)  # pyright: ignore[reportArgumentType]


async def shown(library: Library, path: str) -> bytes:
    """The bytes that the old address shows."""
    shows, image = await library.pictures.catalog.old_addresses.find(path, datetime.now(UTC))
    assert shows == Shows.ORIGINAL
    return library.file(image.original.key).read_bytes()


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("https://old.example/u/a%20b.png", "/u/a b.png"),
        ("http://old.example:8080/a.png#x", "/a.png"),
        (" /u/\u00fc.png ", "/u/\u00fc.png"),
        ("/u/%C3%BC.png", "/u/\u00fc.png"),
        ("/thumb.php?img=/i/a.png", None),
        ("u/a.png", None),
        ("https://old.example", None),
        ("/", None),
        ("", None),
        ("/a%00.png", None),
        ("http://[/a.png", None),
        ("/" + "x" * 1024, None),
    ],
)
def test_old_paths_are_read_as_people_write_them(given: str, path: str | None):
    assert old_path(given) == path


async def test_a_folder_comes_in_with_the_addresses_it_had(library: Library, tmp_path: Path):
    old = tmp_path / "old"
    files = {"a.png": drawn.png(), "deep/er/a.png": drawn.png(9), "2014/06/04/b.png": drawn.png(10)}
    for name, content in files.items():
        put(old, name, content)
    put(old, "notes.txt", b"x")
    put(old, "Gr\u00fc\u00dfe & so.JPG", drawn.png(11))
    done, said = await imported(library, old, host=folder(), also=Also(below="/i"))
    assert (done.pictures, done.refused, done.old_addresses, len(done.samples)) == (4, 1, 4, 3)
    assert "no picture by its name" in said.about("notes.txt")[0]
    for name, content in files.items():
        assert await shown(library, f"/i/{name}") == content
    assert await shown(library, "/i/Gr\u00fc\u00dfe & so.JPG") == drawn.png(11)
    assert "2014/06/04/b.png" in library.files(), "a file in the folder of a day keeps its address here too"
    again, said = await imported(library, old, host=folder(), also=Also(below="/i"))
    assert (again.pictures, again.present, again.mended, again.refused) == (0, 4, 0, 1)
    further, _ = await imported(library, old, host=folder(), also=Also(below="/second"))
    assert (further.pictures, further.mended, further.old_addresses) == (0, 4, 4)
    assert await shown(library, "/second/a.png") == await shown(library, "/i/a.png")
    assert (await library.fsck(digests=True))[0].left == 0


async def test_files_of_one_name_and_day_all_come_in_once(library: Library, tmp_path: Path):
    old = tmp_path / "old"
    for number in range(4):
        put(old, f"{number}/x.png", drawn.png(number + 9))
    put(old, "4/x.png", drawn.png(9))  # a copy of the first
    await imported(library, old, host=folder(), also=Also(below=""))
    first = {row.id for row in await library.rows()}
    for parallel in (4, 1):
        done, _ = await imported(library, old, host=folder(), also=Also(below=""), parallel=parallel)
        assert (done.pictures, done.present) == (0, 5)
    assert {row.id for row in await library.rows()} == first
    assert {hashlib.md5(library.file(row.original.key).read_bytes()).hexdigest() for row in await library.rows()} == {
        hashlib.md5(drawn.png(number + 9)).hexdigest() for number in range(4)
    }
    for number in range(4):
        assert await shown(library, f"/{number}/x.png") == drawn.png(number + 9)
    assert await shown(library, "/4/x.png") == drawn.png(9)


async def test_without_their_metadata_they_come_in_once_too(library: Library, tmp_path: Path):
    old = tmp_path / "old"
    for number in range(3):
        put(old, f"{number}/x.jpg", drawn.jpeg(64 + number))
    for _ in range(2):
        await imported(library, old, host=folder(), strip=True)
    assert len(await library.rows()) == 3


async def test_a_map_names_addresses_of_any_host(library: Library, tmp_path: Path):
    old = tmp_path / "old"
    put(old, "y1b6hr.jpg/y1b6hr.jpg", drawn.jpeg(64))
    put(old, "b.png", drawn.png())
    (tmp_path / "map.csv").write_text(
        "old path,file\n"
        "https://old.example/y1b6hr.jpg,y1b6hr.jpg/y1b6hr.jpg\n"
        '"/200x200/y1b6hr.jpg",y1b6hr.jpg/y1b6hr.jpg\n'
        "/view?id=7,b.png\n"
        "nonsense\n"
        "/gone.png,gone.png\n"
        "\n"
    )
    also = Also(map=tmp_path / "map.csv")
    done, said = await imported(library, old, host=folder(), also=also)
    assert (done.pictures, done.unreadable, done.without_file, done.old_addresses) == (2, 2, 1, 2)
    assert len(said.about("map.csv: line")) == 2
    for path in ("/y1b6hr.jpg", "/200x200/y1b6hr.jpg"):
        assert await shown(library, path) == drawn.jpeg(64)
    with pytest.raises(NotFound):
        await shown(library, "/view")


async def test_an_address_that_another_picture_has_or_had_stays_with_it(library: Library, tmp_path: Path):
    put(tmp_path / "one", "a.png", drawn.png())
    put(tmp_path / "two", "a.png", drawn.png(9))
    await imported(library, tmp_path / "one", host=folder(), also=Also(below="/i"))
    done, said = await imported(library, tmp_path / "two", host=folder(), also=Also(below="/i"))
    assert (done.pictures, done.old_addresses) == (1, 0)
    assert "another picture has, or had, this old address" in said.about("/i/a.png")[0]
    assert await shown(library, "/i/a.png") == drawn.png()
    _, image = await library.pictures.catalog.old_addresses.find("/i/a.png", datetime.now(UTC))
    await library.pictures.deleting.delete(image)
    done, said = await imported(library, tmp_path / "one", host=folder(), also=Also(below="/i"))
    assert (done.pictures, done.refused) == (0, 1)
    assert "deleted here" in said.about("a.png")[0]
    with pytest.raises(Gone):
        await shown(library, "/i/a.png")


async def test_a_tree_of_date_folders_may_keep_its_paths_too(library: Library, tmp_path: Path):
    put(tmp_path / "i", "2014/06/04/a.png", drawn.png())
    done, _ = await imported(library, tmp_path / "i", also=Also(below="/i"))
    assert done.old_addresses == 1
    assert await shown(library, "/i/2014/06/04/a.png") == drawn.png()


async def test_old_addresses_go_along_with_an_export(tmp_path: Path):
    put(tmp_path / "old", "a.png", drawn.png())
    async with open_library(tmp_path / "one") as library:
        await imported(library, tmp_path / "old", host=folder(), also=Also(below="/i"))
        (image,) = await library.rows()
        await library.pictures.catalog.old_addresses.add(image.number, [OldAddress("/view/a", Shows.PAGE)])
        await take_out(library.context, tmp_path / "export", parallel=1)
    line = json.loads((tmp_path / "export/pictures.jsonl").read_text())
    assert line["old_addresses"] == [["/i/a.png", "original"], ["/view/a", "page"]]
    async with open_library(tmp_path / "two") as library:
        done, said = await imported(library, tmp_path / "export")
        assert (done.pictures, done.old_addresses, said.lines) == (1, 2, [])
        assert await shown(library, "/i/a.png") == drawn.png()


async def test_a_rehearsal_shows_where_old_addresses_would_lead(library: Library, tmp_path: Path):
    put(tmp_path / "old", "deep/a.png", drawn.png())
    wanted = Wanted(tmp_path / "old", folder(), Also(below="/i"))
    trial = await rehearse(replace(library.context, progress=Said()), wanted)
    ((before, after),) = trial.samples
    assert before == "/i/deep/a.png"
    assert (
        await try_address(library.context, wanted, "https://old.example/i/deep/a.png") == "/i/deep/a.png is deep/a.png"
    )
    assert await library.rows() == []
    await bring_in(library.context, wanted)
    (image,) = await library.rows()
    assert after == f"/images/{image.original.key}"


def test_the_command_keeps_old_addresses_and_names_three(tmp_path: Path):
    for number in range(5):
        put(tmp_path / "old", f"{number}.png", drawn.png(number + 9))
    said = run(tmp_path, "import", "old", "--from", "folder", "--keep-paths", "/u/", "--dry-run")
    assert (said.returncode, said.stdout.count(" → /images/")) == (0, 5)
    said = run(tmp_path, "import", "old", "--from", "folder", "--keep-paths", "/u/")
    assert said.returncode == 0
    assert re.search("5 old addresses were kept; try: /u/[0-4].png /u/[0-4].png /u/[0-4].png\n", said.stdout)
    said = run(tmp_path, "import", "old", "--from", "folder", "--keep-paths", "/u", "--try", "https://x/u/3.png")
    assert (said.returncode, said.stdout) == (0, "/u/3.png is 3.png\n")
    assert run(tmp_path, "import", "old", "--from", "folder", "--try", "https://x/u/3.png").returncode == 1
    assert run(tmp_path, "import", "old", "--keep-paths", "u").returncode == 2
