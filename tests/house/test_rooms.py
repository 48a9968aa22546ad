"""The rooms: import rules name each of them and are seen to fail, and the map of the code is true to the tree."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs/decisions").glob("0*.md"))
LINTER: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
MAP = re.compile(r"^[│├└─ ]*([a-z0-9_]+(?:, [a-z0-9_]+)*) {2,}\S", re.MULTILINE)
"""A line of the map in a room's docstring: names of modules, and what they are for."""


def mapped() -> dict[str, list[str]]:
    """The modules that the docstring of each room names in its map."""
    found: dict[str, list[str]] = {}
    for file in [*(ROOT / "imges").rglob("__init__.py"), *(ROOT / "backends").rglob("__init__.py")]:
        lines: list[str] = MAP.findall(ast.get_docstring(ast.parse(file.read_text())) or "")
        if lines:
            found[str(file.parent.relative_to(ROOT))] = [name for line in lines for name in line.split(", ")]
    return found


def rooms() -> set[str]:
    """The packages directly in `imges/`."""
    return {path.parent.name for path in (ROOT / "imges").glob("*/__init__.py")}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code and its import rules."""
    copy = tmp_path_factory.mktemp("house")
    for folder in ("imges", "backends"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=lambda _, names: [n for n in names if n == "__pycache__"])
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, timeout=120, check=False)


def test_the_copy_keeps_the_rules(house: Path):
    done = lint(house)

    assert done.returncode == 0, done.stdout


def test_what_breaks_the_rules_is_seen_and_named(house: Path):
    broken = {
        "imges/catalog/above.py": ("import imges.pictures\n", "imges.catalog.above -> imges.pictures"),
        "imges/pictures/above.py": ("import imges.web\n", "imges.pictures.above -> imges.web"),
        "imges/web/past.py": ("import imges.imaging\n", "imges.web.past -> imges.imaging"),
        "imges/storage/vendor.py": ("import backends.s3\n", "imges.storage.vendor -> backends.s3"),
        "imges/attic/__init__.py": ("", "imges.attic"),  # a room without a place
    }
    for name, (content, _) in broken.items():
        (house / name).parent.mkdir(exist_ok=True)
        (house / name).write_text(content)

    done = lint(house)

    assert done.returncode == 1
    assert [shown for _, shown in broken.values() if shown not in done.stdout] == []


def test_every_room_says_which_rooms_may_import_it():
    protected = {
        module.removeprefix("imges.")
        for contract in LINTER["contracts"]
        if contract["type"] == "protected"
        for module in contract["protected_modules"]
    }

    assert rooms() - protected == {"cli"}  # the highest room: nothing may import it but `__main__`, by its layer


def test_the_map_is_one_page_and_names_every_room():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    modules = {path.name for path in (ROOT / "imges").glob("*.py")} - {"__init__.py"}

    assert text.count("\n") <= 120
    assert [room for room in rooms() if f"`imges/{room}/`" not in text] == []
    assert [name for name in modules if f"`{name}`" not in text and f"`imges/{name}`" not in text] == []


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", *(f"docs/decisions/{path.name}" for path in DECISIONS)])
def test_what_the_map_and_the_decisions_name_is_there(page: str):
    text = (ROOT / page).read_text()
    named = {
        ROOT / name for name in re.findall(r"`((?:imges|backends|tests|release|deploy|benchmarks|docs)/[^` ]*)`", text)
    }
    below = {ROOT / "imges" / name for name in re.findall(rf"`((?:{'|'.join(rooms())})/[^` ]*)`", text)}

    assert [str(path) for path in named | below if not path.exists()] == []


def test_the_maps_in_rooms_name_modules_that_are_there():
    maps = mapped()

    assert {"imges/catalog", "imges/imaging", "backends/s3"} <= maps.keys()
    assert [
        f"{room}: {name}"
        for room, names in maps.items()
        for name in names
        if not (ROOT / room / name).is_dir() and not (ROOT / room / f"{name}.py").exists()
    ] == []


def test_every_decision_has_its_parts_and_a_line_in_the_index():
    index = (ROOT / "docs/decisions/index.md").read_text()
    parts = ("**Context.** ", "**Decision.** ", "**Look again**")

    assert [path.name for path in DECISIONS if not all(part in path.read_text() for part in parts)] == []
    assert [path.name for path in DECISIONS if f"]({path.name})" not in index] == []


def test_every_package_is_in_the_wheel():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {".".join(file.parent.relative_to(ROOT).parts) for file in (ROOT / "imges").rglob("__init__.py")}

    assert there - set(listed) == set()
