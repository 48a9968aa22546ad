"""What a release tells about its parts: native libraries inside wheels, what an audit could not ask, a signature."""

import json
import os
import re
import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.shipping.proxies import DEPLOY

RELEASE = DEPLOY.parent / "release"
NATIVE = {"pyvips": {"libvips": "8.18.7", "libwebp": "unknown"}}


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(RELEASE)
    return runpy.run_path(str(RELEASE / name))


def test_the_bill_of_materials_names_libraries_inside_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bom = tmp_path / "bom.json"
    names = ("pyvips-binary", "pillow", "Pillow_HEIF", "aiohttp")
    bom.write_text(json.dumps({"components": [{"type": "library", "name": name} for name in names]}))
    add_native = script("materials.py", monkeypatch)["add_native"]
    add_native(bom, Path(sys.executable), Path(sysconfig.get_path("purelib")))
    vips, pillow, heif, aiohttp = json.loads(bom.read_text())["components"]
    versions = [{part["name"]: part.get("version") for part in each["components"]} for each in (vips, pillow, heif)]
    assert re.fullmatch(r"8\.\d+\.\d+", versions[0]["libvips"] or "")
    assert re.fullmatch(r"1\.6\.\d+", versions[0]["libpng"] or "")
    assert {"webp", "avif", "libjpeg"} <= versions[1].keys()
    assert versions[2]["libheif"]
    assert "components" not in aiohttp
    files = [part for part in pillow["components"] if part["properties"][0]["value"].startswith("the file ")]
    assert all(len(part["hashes"][0]["content"]) == 64 for part in files)
    assert files


def test_an_audit_names_what_could_not_be_asked(monkeypatch: pytest.MonkeyPatch):
    report = script("audit.py", monkeypatch)["report"]
    asked = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
    skipped = {"name": "pillow", "skip_reason": "not found"}
    hole = {"name": "idna", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
    lines, status = report([asked, skipped], NATIVE)
    said = "\n".join(lines)
    assert status == 2
    assert "asked PyPI about 1 of 2 packages" in said
    assert re.search("NOT asked.*: pillow\n", said)
    assert "libvips 8.18.7, libwebp unknown" in said
    lines, status = report([skipped], NATIVE)
    assert (status, "no known holes" in "\n".join(lines)) == (2, False), "nothing was asked"
    lines, status = report([asked, hole], NATIVE)
    assert (status, "idna 1.0: PYSEC-1, fixed in 1.1" in lines) == (1, True)
    assert report([asked], NATIVE)[1] == 0


def test_a_release_can_be_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))

    def gpg(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["gpg", "--batch", *arguments], capture_output=True, text=True, check=False)

    made = gpg("--passphrase", "", "--quick-generate-key", "release@example.org", "ed25519", "sign", "never")
    assert made.returncode == 0, made.stderr
    sign = script("binary.py", monkeypatch)["sign"]
    sign.__globals__.update(DIST=tmp_path, BUILD=tmp_path)
    sums = tmp_path / "SHA256SUMS"
    sums.write_text("0" * 64 + "  imges\n")
    sign("release@example.org")
    assert gpg("--verify", tmp_path / "SHA256SUMS.asc", sums).returncode == 0
    sums.write_text("1" * 64 + "  imges\n")
    assert gpg("--verify", tmp_path / "SHA256SUMS.asc", sums).returncode != 0
    subprocess.run(["gpgconf", "--kill", "all"], env=os.environ, check=False)


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml", "compose.three-nodes.yaml"])
def test_images_are_named_by_exact_versions(file: str):
    images = re.findall(r"^(?:FROM|\s+image:) +(\S+)", (DEPLOY / file).read_text(), re.MULTILINE)
    assert all(re.search(r":\d+(\.\d+)+(-[a-z]+)*(@sha256:[0-9a-f]{64})?$", image) for image in images), images
    assert bool(images) is (file != "compose.yaml")
