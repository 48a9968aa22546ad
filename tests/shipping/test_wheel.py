"""The wheel in a clean environment without any extra, and the sdist, which has all that the wheel is made of."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests import drawn
from tests.servers import free_ports
from tests.shipping.test_binary import BINARY, wait_until_it_answers
from tests.shipping.test_binary import Running as Client

pytestmark = pytest.mark.binary


def built(pattern: str) -> Path:
    (found,) = BINARY.parent.glob(pattern)
    return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment where the wheel and its dependencies are installed."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    install = [venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", built("*.whl")]
    subprocess.run(install, check=True, timeout=400)
    return venv / "bin"


def run(*command: str | Path, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {f"IMGES__{name}": value for name, value in settings.items()}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_the_wheel_runs_as_a_command_and_as_a_module(clean: Path, tmp_path: Path):
    command = run(clean / "imges", "version", cwd=tmp_path)
    module = run(clean / "python", "-m", "imges", "version", cwd=tmp_path)
    assert command.stdout == module.stdout != ""
    assert "".join(command.stdout.split()[1:]) in built("*.whl").name


def test_the_wheel_serves(clean: Path, tmp_path: Path):
    (port,) = free_ports(1)
    env = os.environ | {"IMGES__SERVER__PORT": str(port), "IMGES__LIMITS__DISK_RESERVE": "1 MB"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([clean / "imges", "serve"], cwd=tmp_path, env=env, stdout=log, stderr=log)
    client = Client(tmp_path, port)
    try:
        wait_until_it_answers(client, process, tmp_path / "log")
        image = client.upload(drawn.png())
        assert client.ask("GET", image["url"]) == (200, drawn.png())
        assert client.ask("GET", "/openapi.json")[0] == 200
        assert client.ask("GET", "/")[0] == 200
    finally:
        process.terminate()
        assert process.wait(40) == 0


S3 = {"STORAGES__S3__TYPE": "s3", "STORAGES__S3__BUCKET": "b", "STORAGES__S3__ENDPOINT_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("extra", "settings"),
    [
        ("s3", S3),
        ("postgres", {"CATALOG__URL": "postgresql://imges@127.0.0.1:1/imges"}),
        ("redis", {"LIMITS__REDIS_URL": "redis://127.0.0.1:1"}),
        ("heic", {"IMAGES__FORMATS": "[png, heic]"}),
    ],
)
def test_a_missing_extra_is_named(clean: Path, tmp_path: Path, extra: str, settings: dict[str, str]):
    said = run(clean / "imges", "check", cwd=tmp_path, LIMITS__DISK_RESERVE="1 MB", **settings)
    assert said.returncode in {1, 2}
    assert f"imges[{extra}]" in said.stdout + said.stderr
    assert "Traceback" not in said.stderr


def test_the_sdist_has_all_files_of_the_wheel_and_of_development():
    with zipfile.ZipFile(built("*.whl")) as wheel, tarfile.open(built("*.tar.gz")) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
        for name in wheel.namelist():
            if ".dist-info/" not in name:
                source = name.replace("imges/backends/", "backends/").replace("imges/templates/", "templates/")
                assert source in inside, name
    assert {"LICENSE", "README.md", "pyproject.toml", "settings.yaml"} <= inside
