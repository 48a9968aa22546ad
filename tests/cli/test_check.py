"""`imges check`: settings broken on purpose, one after the other; each has to be named, with what to do."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.checked import IMGES, SOUND, check
from tests.served import serving


def test_nothing_is_wrong_with_sound_settings(tmp_path: Path):
    said = check(tmp_path, IMAGES__FORMATS="[jpg, png, gif, webp, avif, heic, tiff, bmp]")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "WRONG" not in said.stdout
    for part in ("settings", "data folder", "disk", "memory", "address", "storage disk", "catalog", "images"):
        assert f"\n{part}: good" in f"\n{said.stdout}", part
    assert "jpg, png, gif, webp, avif, heic, tiff, bmp" in said.stdout
    assert re.search(r"libraries: good, pyvips: libvips 8\.\d+\.\d+, .*libpng 1\.6\.\d+", said.stdout)
    assert re.search(r"libraries: good, pillow-heif: libheif 1\.\d+\.\d+", said.stdout)


BROKEN = [
    pytest.param({"SERVER__TRUSTED_PROXIES": "[0.0.0.0/0]"}, "server.trusted_proxies trusts", "/metrics", id="trust"),
    pytest.param({"API__KEY": "abc"}, "api.key has 3 characters", "api: {key: null}", id="key"),
    pytest.param({"LIMITS__DISK_RESERVE": "900 TB"}, "limits.disk_reserve is 900 TB", "disk_reserve: ", id="disk"),
    pytest.param({"IMAGES__MEMORY": "900 GB"}, "images.memory (900 GB)", "images: {memory: ", id="memory"),
    pytest.param({"SERVER__HOST": "192.0.2.1"}, "server.host is 192.0.2.1", "host: 127.0.0.1", id="host"),
    pytest.param({"SERVER__UNIX_SOCKET": "nowhere/s"}, "server.unix_socket is nowhere/s", "unix_socket: ", id="socket"),
    pytest.param({"STORAGES__DISK__ROOT": "/proc/nothing"}, "storages.disk", "breaks: uploads are refused", id="root"),
    pytest.param(
        {
            "STORAGES__S3__TYPE": "s3", "STORAGES__S3__BUCKET": "b", "STORAGES__S3__ENDPOINT_URL": "http://127.0.0.1:1",
            "STORAGES__S3__ACCESS_KEY": "a", "STORAGES__S3__SECRET_KEY": "s",
        },
        "storages.s3", "breaks: pictures that are kept there", id="s3",
    ),
    pytest.param({"LIMITS__REDIS_URL": "redis://127.0.0.1:1"}, "limits.redis_url", "redis_url: redis://", id="redis"),
    pytest.param({"CATALOG__URL": "sqlite:////proc/x.db"}, "catalog.url", "breaks: nothing is served", id="catalog"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "problem", "more"), BROKEN)
def test_a_broken_setting_is_named_with_what_to_change(
    tmp_path: Path, settings: dict[str, str], problem: str, more: str
):
    said = check(tmp_path, **settings)
    assert said.returncode in {1, 2}, said.stdout + said.stderr
    assert any(problem in line for line in said.stdout.splitlines() if "WRONG" in line), said.stdout
    assert more in said.stdout
    assert "Traceback" not in said.stderr


def test_a_port_of_another_program_is_wrong_and_one_of_imges_is_good(tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert f"server.port is {port}: cannot listen there" in check(tmp_path, SERVER__PORT=port).stdout
    with serving(tmp_path) as served:
        said = check(tmp_path, SERVER__PORT=str(served.port))
        assert f"imges serves on 127.0.0.1, port {served.port}" in said.stdout
        assert said.returncode == 0, said.stdout


def test_a_key_file_that_others_can_read_is_named(tmp_path: Path):
    with serving(tmp_path):
        pass
    (tmp_path / "data/api.key").chmod(0o644)
    said = check(tmp_path)
    assert (said.returncode, "chmod 0600 data/api.key" in said.stdout) == (1, True)


def test_a_format_that_cannot_be_decoded_is_named(tmp_path: Path):
    """The extra is as good as not installed."""
    (tmp_path / "pillow_heif.py").write_text("raise ImportError")
    said = subprocess.run(
        [*IMGES, "check"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {f"IMGES__{name}": value for name, value in SOUND.items()}
        | {"PYTHONPATH": str(tmp_path), "IMGES__IMAGES__FORMATS": "[png, heic]"},
    )  # fmt: skip
    assert said.returncode in {1, 2}
    assert "imges[heic]" in said.stdout + said.stderr


def test_a_damaged_catalog_is_named(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/imges.db").write_bytes(b"no database " * 1000)
    damaged = check(tmp_path)
    assert (damaged.returncode, "imges.db" in damaged.stdout) == (2, True)
