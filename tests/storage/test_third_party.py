"""A backend of a third party: built as a package of its own, installed beside imges, and held to the suite there."""

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.served import free_port

ROOT = Path(__file__).parents[2]
SHELF = Path(__file__).parent / "third_party"
SOURCES = ("imges", "backends", "templates", "pyproject.toml", "README.md", "LICENSE")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the two packages. Dependencies of imges come from ours, without the network."""
    folder = tmp_path_factory.mktemp("third-party")
    for part in SOURCES:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        (folder / "imges").mkdir(exist_ok=True)
        copy(ROOT / part, folder / "imges" / part)
    shutil.copytree(SHELF, folder / "shelf")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    wheels = folder / "wheels"
    for package in ("imges", "shelf"):
        run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, folder / package, cwd=folder)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv/bin/python"
    run(*pip, "--python", python, "install", "--no-deps", "--no-index", *wheels.glob("*.whl"), cwd=folder)
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    where = run(python, "-c", "import imges, imges_shelf; print(imges.__file__, imges_shelf.__file__)", cwd=folder)
    assert where.split() == [str(site / "imges/__init__.py"), str(site / "imges_shelf.py")]
    return python


def test_it_passes_the_suite_in_an_environment_of_its_own(python: Path, tmp_path: Path):
    shutil.copy(SHELF / "suite_of_shelf.py", tmp_path / "test_shelf.py")
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shelf.py", cwd=tmp_path)
    assert int(re.findall(r"(\d+) passed", said)[0]) > 100


def test_it_is_a_type_of_the_settings(python: Path, tmp_path: Path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"server: {{port: {free_port()}}}\n"  # somebody may use imges on its own
        "storage: attic\nstorages:\n  attic: {type: shelf, file: shelf, password: open sesame}\n"
    )
    said = run(python, "-m", "imges", "check", cwd=tmp_path)
    assert "storage attic: good, an object was put, read, compared and deleted (new pictures go here)" in said
    settings.write_text(settings.read_text().replace("open sesame", "hush"))
    done = subprocess.run([python, "-m", "imges", "serve"], cwd=tmp_path, capture_output=True, text=True, check=False)
    told = "storages.attic.password: the shelf has another; put in the one that it was made with [settings.yaml]"
    assert (done.returncode, done.stderr) == (2, f"Error: {told}\n")


def test_the_guide_shows_what_really_runs():
    """Each piece of code in `docs/backends.md` stands in the package, line by line and in that order."""
    guide = (ROOT / "docs/backends.md").read_text()
    files = [(SHELF / name).read_text() for name in ("imges_shelf.py", "pyproject.toml", "suite_of_shelf.py")]
    pieces = re.findall(r"^```(?:python|toml)\n(.*?)^```", guide, flags=re.DOTALL | re.MULTILINE)
    assert len(pieces) > 3
    for piece in pieces:
        assert any(stands_in(piece, file) for file in files), piece


def stands_in(piece: str, file: str) -> bool:
    lines = iter(file.splitlines())
    return all(line in lines for line in piece.splitlines() if line.strip())
