"""Adds to a bill of materials (CycloneDX) the native libraries that lie inside wheels.

Their versions come from the libraries themselves, as `imges check` prints them, and from what a wheel states of itself
(PEP 770). The number in a file's name is that of the interface, not of the release, so it is not given as the version.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

BUNDLED = re.compile(r"(lib[A-Za-z0-9_+]+?)(?:-[0-9a-f]{8})?\.so[.0-9]*")
"""The file of a library as auditwheel names it: with a part of its digest behind its name."""

REPORT = "import json; from imges.imaging import libraries; print(json.dumps(dict(libraries.loaded())))"

WHEELS = {"pyvips": "pyvips-binary"}
"""The wheel with the libraries of a package, if it is another."""


def add_native(bom: Path, python: Path, site: Path) -> None:
    """Puts the libraries of each wheel below its package in the file *bom*. *python* runs the packages of *site*."""
    done = subprocess.run([python, "-c", REPORT], check=True, capture_output=True, text=True, cwd=site)
    reported = {_normal(WHEELS.get(name, name)): versions for name, versions in json.loads(done.stdout).items()}
    contents: dict[str, Any] = json.loads(bom.read_text())
    packages = {_normal(package.name): package for package in distributions(path=[str(site)])}
    for component in contents["components"]:
        name = _normal(component["name"])
        if name in packages and (found := list(native(packages[name], reported.get(name, {})))):
            component["components"] = found
    bom.write_text(json.dumps(contents, indent=2) + "\n")


def native(package: Distribution, reported: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yields the libraries of a wheel: those that are *reported*, that the wheel states, and that are files in it."""
    for name, version in sorted(reported.items()):
        yield _component(name, "reported by the library", version)
    for file in package.files or ():
        path = Path(str(file.locate()))
        if path.parent.name == "sboms" and path.name.endswith(".cdx.json"):
            stated: dict[str, Any] = json.loads(path.read_text())
            for each in stated.get("components", ()):
                yield _component(each["name"], f"stated in {path.name}", each.get("version"))
        elif path.parent.name.endswith(".libs") and (named := BUNDLED.fullmatch(path.name)):
            digest = {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
            yield _component(named[1], f"the file {path.name}", reported.get(named[1])) | {"hashes": [digest]}


def _component(name: str, found: str, version: str | None = None) -> dict[str, Any]:
    known = {"version": version} if version else {}
    return {"type": "library", "name": name} | known | {"properties": [{"name": "imges:found", "value": found}]}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
