"""`make binary`: one file with all that imges needs. `make release` calls this with `--release`, for the sdist too.

Writes to `dist/`: `imges` (the binary), `imges.cdx.json` (its bill of materials, native libraries included),
`imges-licences.txt` (the licences of all that is inside), and `SHA256SUMS` of all files there. `--sign KEY` signs the
sums by the key of that name in GnuPG, into `SHA256SUMS.asc`. The binary is built from the wheel, installed into an
environment of its own: PyInstaller does not find the modules of an editable install.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from materials import add_native  # beside this script

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "binary"
DIST = ROOT / "dist"
SITE = BUILD / "venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
FREEZER = ("pyinstaller", "pyinstaller-hooks-contrib", "altgraph", "packaging", "setuptools")
LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice|third.party|authors)", re.IGNORECASE)


def main() -> None:
    if sys.platform != "linux":
        sys.exit("the binary is for Linux, and is built there")
    wheel = built_wheel()
    if "--release" in sys.argv:
        build_sdist()
    install(wheel)
    freeze()
    write_contents()
    write_licences()
    write_checksums()
    if "--sign" in sys.argv:
        sign(sys.argv[sys.argv.index("--sign") + 1])
    size = (DIST / "imges").stat().st_size
    print(f"dist/imges: {size / 2**20:.1f} MB")


def run(*command: str | Path, **environ: str) -> None:
    subprocess.run(
        command, check=True, cwd=BUILD, env=os.environ | environ
    )  # not in the repository, where `imges` would be the sources


def built_wheel() -> Path:
    """Builds the wheel of this repository, and returns its file."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for old in DIST.glob("*.whl"):
        old.unlink()
    shutil.rmtree(
        ROOT / "build" / "lib", ignore_errors=True
    )  # setuptools leaves modules there that were renamed or removed
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", DIST, ROOT)
    (wheel,) = DIST.glob("*.whl")
    return wheel


def build_sdist() -> None:
    for old in DIST.glob("*.tar.gz"):
        old.unlink()
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", DIST, ROOT)


def install(wheel: Path) -> None:
    """Makes the environment that goes into the binary: locked libraries, PyInstaller and *wheel*, without pip."""
    venv, wanted = BUILD / "venv", BUILD / "requirements.txt"
    locked = (ROOT / "requirements.lock").read_text() + "\n".join(map(locked_entry, FREEZER))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", venv]
    if not wanted.exists() or wanted.read_text() != locked:
        shutil.rmtree(venv, ignore_errors=True)
        run(sys.executable, "-m", "venv", "--without-pip", venv)
        wanted.with_suffix(".new").write_text(locked)
        run(*pip, "install", "--require-hashes", "--no-deps", "--requirement", wanted.with_suffix(".new"))
        wanted.with_suffix(".new").rename(wanted)
    run(*pip, "install", "--no-deps", "--force-reinstall", wheel)


def locked_entry(name: str) -> str:
    """Returns the lines of *name* in requirements-dev.lock; nothing if requirements.lock has it too."""
    lock = (ROOT / "requirements-dev.lock").read_text()
    entry = re.search(rf"^{re.escape(name)}==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    if entry is None:
        sys.exit(f"requirements-dev.lock has no {name}")
    return entry[0] if name not in already_locked() else ""


def already_locked() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def freeze() -> None:
    """Runs PyInstaller, so that the same input gives the same bytes, as far as it can."""
    options = ["--noconfirm", "--log-level", "WARN", "--distpath", DIST, "--workpath", BUILD / "work"]
    python = BUILD / "venv" / "bin" / "python"
    run(python, "-m", "PyInstaller", *options, ROOT / "release" / "imges.spec", PYTHONHASHSEED="0")


def write_contents() -> None:
    """Writes the bill of materials as CycloneDX JSON."""
    python = BUILD / "venv" / "bin" / "python"
    run(
        Path(sys.executable).with_name("cyclonedx-py"), "environment", "--output-reproducible",
        "--pyproject", ROOT / "pyproject.toml", "--output-file", DIST / "imges.cdx.json", python,
    )  # fmt: skip
    add_native(DIST / "imges.cdx.json", python, SITE)


def write_licences() -> None:
    """Writes the licences of all packages inside, and Python's own."""
    parts = [f"{title}\n{'=' * len(title)}\n\n{text.strip()}\n" for title, text in sorted(licences())]
    (DIST / "imges-licences.txt").write_text("\n\n".join(parts))


def licences() -> list[tuple[str, str]]:
    found = [("Python", python_licence())]
    for package in distributions(path=[str(SITE)]):
        texts = licence_texts(package) or [str(package.metadata.get("License", "see its home page"))]
        found.append((f"{package.name} {package.version}", "\n\n".join(texts)))
    return found


def licence_texts(package: Distribution) -> list[str]:
    return [
        file.read_text()
        for file in package.files or []
        if LICENCE_FILE.search(file.name) and file.suffix not in {".py", ".pyc"} and file.locate().is_file()
    ]


def python_licence() -> str:
    lib = Path(os.__file__).parent
    candidates = (lib / "LICENSE.txt", Path("/usr/share/doc/python3.11/copyright"))
    return next((file.read_text() for file in candidates if file.is_file()), "PSF License Agreement, python.org")


def write_checksums() -> None:
    sums = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(DIST.iterdir())
        if file.is_file() and file.name not in {"SHA256SUMS", "SHA256SUMS.asc"}
    ]
    (DIST / "SHA256SUMS").write_text("".join(sums))
    (DIST / "SHA256SUMS.asc").unlink(missing_ok=True)  # an older signature is for other files


def sign(key: str) -> None:
    """Signs `SHA256SUMS` by the GnuPG key named *key*. The signed sums cover every other file."""
    sums, signature = DIST / "SHA256SUMS", DIST / "SHA256SUMS.asc"
    run("gpg", "--batch", "--yes", "--armor", "--local-user", key, "--output", signature, "--detach-sign", sums)


if __name__ == "__main__":
    main()
