"""The check of sizes: a file, a class and a function at the limit pass, and one more is seen."""

from pathlib import Path

import pytest

from tests.house import figures


def found(source: str, file: str = "imges/room/file.py") -> list[str]:
    return [name for name, _ in figures.too_large(Path(file), source)]


def function(lines: int, docstring: str = '    """What it\n\n    does.\n    """\n') -> str:
    return f"def long():\n{docstring}" + "    x = 1\n" * lines


def with_methods(count: int) -> str:
    methods = "".join(f"    def m{number}(self): ...\n" for number in range(count))
    return f"class Big:\n{methods}    def _private(self): ...\n    def __init__(self): ...\n"


def test_files():
    assert found("x = 1\n" * 400) == []
    assert found("x = 1\n" * 401) == ["file.py"]
    assert found("x = 1\n" * 401, "imges/testing/conformance.py") == []


def test_classes_by_their_public_methods():
    assert found(with_methods(15)) == []
    assert found(with_methods(16)) == ["Big"]
    assert found(with_methods(16), "imges/testing/conformance.py") == []


def test_a_property_with_a_setter_is_one_method():
    both = "    @property\n    def m0(self): ...\n    @m0.setter\n    def m0(self, value): ...\n"

    assert found(with_methods(15) + both) == []


def test_functions_by_the_lines_of_their_body():
    assert found(function(24)) == []
    assert found(function(24, docstring="")) == []
    assert found(function(25)) == ["long"]
    assert found("async " + function(25)) == ["long"]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house of one room, in `imges/room/file.py`."""
    (tmp_path / "imges/room").mkdir(parents=True)
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    monkeypatch.setattr(figures, "LONGER", {})
    return tmp_path / "imges/room/file.py"


def test_the_check_prints_what_is_too_large_and_fails(house: Path, capsys: pytest.CaptureFixture[str]):
    house.write_text(function(25))
    assert figures.main() == 1
    assert capsys.readouterr().out == "imges/room/file.py:1: long has 25 lines (24 at most)\n"

    house.write_text(function(24))
    assert figures.main() == 0


def test_a_reason_excuses_a_function_and_one_that_is_not_needed_is_a_complaint(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    house.write_text(function(25))
    for reasons in ({"long": "a table"}, {"imges/room": "tables"}):
        monkeypatch.setattr(figures, "LONGER", reasons)
        assert figures.main() == 0

    house.write_text(function(24))
    assert figures.main() == 1
    assert "nothing named imges/room is too long any more" in capsys.readouterr().out
