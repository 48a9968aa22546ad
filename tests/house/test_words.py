"""The check of words: what it finds in each kind of file, and what it leaves alone."""

from pathlib import Path

import pytest

from tests.house import words

ARCHAIC = [
    "it is the same for whoever asks",
    "uploaders of whom no address is kept",
    "a page for who asks for it",
    "the client is told to come again",
    "the format that each tells of",
    "nothing was heard of since",
    "the key is looked for",
    "somewhere, be it here",
    "let it be that",
    "of a picture that there is not",
    "`None` where there is none",
    "Refused where it would not fit",
    "sorted, for it keeps no statistics",
    "one budget, for a picture may need more",
    "a lock of which nothing is left",
    "what is left is nobody's",
    "readers shall not see it",
    "Raises: StorageFull.",
]
PLAIN = [
    "The client that uploads gets 507.",
    "People who speak German get German pages.",
    "three locks, none of which needs privileges",
    "the place where it is stored",
    "It asks for a picture and waits for it.",
    "an answer for this request",
    "Raises `StorageFull` if the disk is full.",
]


def lines(name: str, text: str) -> list[int]:
    return [hit.line for hit in words.hits(Path(name), text)]


@pytest.mark.parametrize("sentence", ARCHAIC)
def test_archaic_wording_is_found_in_every_kind_of_file(sentence: str):
    assert lines("a.py", f'def f():\n    """{sentence}"""\n') == [2]
    assert lines("a.py", f"x = 1\n# {sentence}\n") == [2]
    assert lines("a.py", f'log.info("{sentence}")\n') == [1]
    assert lines("a.md", f"# Title\n\n- {sentence}\n") == [3]


@pytest.mark.parametrize("sentence", PLAIN)
def test_plain_wording_passes(sentence: str):
    assert lines("a.py", f'"""{sentence}"""\n') == []
    assert lines("a.md", sentence) == []


def test_every_pattern_is_seen_to_find_something():
    found = {hit.advice for sentence in ARCHAIC for hit in words.hits(Path("a.md"), sentence)}

    assert found == {pattern.advice for pattern in words.PATTERNS}


def test_a_sentence_is_found_across_lines_and_across_the_parts_of_a_message():
    assert lines("a.py", "# a page for\n# who asks\n") == [1]
    assert lines("a.py", 'x = (\n    "a page for "\n    "who asks"\n)\n') == [2]
    assert lines("a.js", "// a page for\n// who asks\n") == [1]


def test_code_is_not_prose():
    assert lines("a.py", "told = lookup(told)\nraise ValueError(whoever)\n") == []
    assert lines("a.py", 'x = be, "it"\n') == []
    assert lines("a.py", 'x = b"you are told"\n') == []
    assert lines("a.py", 'x = [f"{told} lines", "told", f"{lines} are told"]\nx = f"{one} is {told}"\n') == [1]
    assert lines("a.js", 'const told = whoever(told);\nshow("who is told");\n/* for who */\n') == [2, 3]


def test_names_of_tests_are_sentences():
    assert lines("a.py", "\ndef test_a_client_is_told_what_is_wrong(): ...\n") == [2]
    assert lines("a.py", "async def test_a_page_for_who_asks(): ...\n") == [1]
    assert lines("a.py", "def is_told(): ...\n") == []


def test_the_files_of_all_rooms_are_read():
    found = {file.as_posix() for file in words.files(words.ROOT)}

    assert {
        "imges/app.py",
        "backends/datefolder/storage.py",
        "README.md",
        "docs/index.md",
        "Makefile",
        "settings.yaml",
    } <= found
    assert {"templates/base.html", "templates/static/app.js", "deploy/nginx.conf", "tests/conftest.py"} <= found


def test_the_check_prints_each_place_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "new.md").write_text("One line.\nThe client is told so.\n")
    monkeypatch.setattr(words, "ROOT", tmp_path)

    assert words.main() == 1
    assert capsys.readouterr().out.startswith("docs/new.md:2: 'told': ")
    (tmp_path / "docs" / "new.md").write_text("One line.\nThe client gets 503.\n")
    assert words.main() == 0
