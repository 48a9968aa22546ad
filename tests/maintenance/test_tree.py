"""Which files of a tree are originals, and why others are refused."""

import os
from pathlib import Path

import pytest

from imges.maintenance.tree import (
    NoFile,
    OldFile,
    Refused,
    everywhere,
    in_date_folders,
    inner_folder,
    opened,
    printable,
    walk,
)

DAY = "2014/06/04"


def made(folder: Path, *keys: str) -> Path:
    for key in keys:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).touch()
    return folder


def found(folder: Path, also: frozenset[str] = frozenset()) -> tuple[list[str], dict[str, str]]:
    """Returns the keys of the originals, and the reasons of what is refused."""
    files = list(walk(folder, in_date_folders(also)))
    originals = [file for file in files if isinstance(file, OldFile)]
    assert [file.path for file in originals] == [folder / file.name for file in originals]
    assert [file.key and file.key.key for file in originals] == [file.name for file in originals]
    return [file.name for file in originals], {file.shown: file.reason for file in files if isinstance(file, Refused)}


def test_originals_are_those_in_folders_of_days(tmp_path: Path):
    made(
        tmp_path, f"{DAY}/b.png", f"{DAY}/b.th.png", f"{DAY}/b.md.png", f"{DAY}/a.JPG", "2015/01/01/c.gif", "loose.png"
    )
    made(tmp_path, f"{DAY}/index.html", ".staging/x.png", f"{DAY}/alone.th.png", f"{DAY}/notes.txt", f"{DAY}/.hid.png")
    originals, refused = found(tmp_path)
    assert sorted(originals) == [f"{DAY}/a.JPG", f"{DAY}/b.png", "2015/01/01/c.gif"]
    assert [key for key in originals if key.startswith(DAY)] == [f"{DAY}/a.JPG", f"{DAY}/b.png"]
    assert refused == {
        "loose.png": "it is not in the folder of a day",
        f"{DAY}/alone.th.png": "it is a thumb or medium without its picture",
        f"{DAY}/notes.txt": "it is no picture by its name",
        f"{DAY}/.hid.png": "an address cannot have this name",
    }


def test_folders_of_a_dump_are_taken_too(tmp_path: Path):
    made(tmp_path, "old/a.png", "old/a.th.png", "older/b.png", "c.png")
    assert found(tmp_path, frozenset(["old"]))[0] == ["old/a.png"]
    assert sorted(found(tmp_path, frozenset(["old", ""]))[0]) == ["c.png", "old/a.png"]


def test_links_and_pipes_are_refused_and_not_followed(tmp_path: Path):
    made(tmp_path, "elsewhere/2016/01/01/d.png", f"tree/{DAY}/a.png")
    tree = tmp_path / "tree"
    (tree / "2016").symlink_to(tmp_path / "elsewhere/2016")
    (tree / DAY / "link.png").symlink_to("a.png")
    os.mkfifo(tree / DAY / "pipe.png")
    assert found(tree) == (
        [f"{DAY}/a.png"],
        {"2016": "it is a link", f"{DAY}/link.png": "it is a link", f"{DAY}/pipe.png": "it is no file"},
    )


@pytest.mark.parametrize(("length", "reason"), [(248, None), (249, "its name is too long for a thumb beside it")])
def test_a_name_must_leave_room_for_that_of_a_thumb(tmp_path: Path, length: int, reason: str | None):
    key = f"{DAY}/{'n' * length}.png"
    made(tmp_path, key)
    assert found(tmp_path) == (([], {key: reason}) if reason else ([key], {}))


def test_the_pictures_are_in_images_if_the_years_are_there(tmp_path: Path):
    made(tmp_path, f"images/{DAY}/a.png")
    assert inner_folder(tmp_path) == tmp_path / "images"
    made(tmp_path, f"{DAY}/a.png")
    assert inner_folder(tmp_path) == tmp_path


def test_a_pipe_is_not_opened_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(NoFile) as error:
            opened(path)
        assert error.value.filename == str(path)
    (tmp_path / "file").write_bytes(b"content")
    with opened(tmp_path / "file") as file:
        assert file.read() == b"content"


def test_names_are_printed_without_what_a_terminal_obeys():
    assert printable("grüße.png") == "grüße.png"
    assert printable("a\x1b[31m\udcff.png") == "a\\x1b[31m\\udcff.png"


def test_everywhere_all_pictures_are_taken_and_those_in_folders_of_days_keep_their_keys(tmp_path: Path):
    made(tmp_path, f"{DAY}/a.png", f"{DAY}/a.th.png", "b.png", "deep/er/c.th.GIF", "notes.txt")
    files = list(walk(tmp_path, everywhere))
    assert {file.name: file.key and file.key.key for file in files if isinstance(file, OldFile)} == {
        f"{DAY}/a.png": f"{DAY}/a.png",
        "b.png": None,
        "deep/er/c.th.GIF": None,
    }
    assert [file.shown for file in files if isinstance(file, Refused)] == ["notes.txt"]
