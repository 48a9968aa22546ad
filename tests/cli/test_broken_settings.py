"""Settings broken on purpose: `check` and `serve` refuse them alike, in words, and no secret is shown."""

from pathlib import Path

import pytest

from tests.cli.walking import walked

SECRET = "hunter2"

REFUSED = [
    {"SITE__LANGUAGE": "xx"},
    {"SITE__LOGO": "missing.png"},
    {"SERVER__WORKERS": "10000000"},
    {"SERVER__HOST": "no.such.host.invalid"},
    {"SERVER__HOST": "192.0.2.1"},
    {"SERVER__PORT": "70000"},
    {"SERVER__UNIX_SOCKET": "missing/folder/s"},
    {"SERVER__PUBLIC_URL": "img.example.org"},
    {"SERVER": "5"},
    {"STORAGE": "nowhere"},
    {"STORAGES__OTHER__TYPE": "datefolder"},
    {"STORAGES__OTHER__TYPE": "datefolder", "STORAGES__OTHER__ROOT": "data/images"},
    {"STORAGES__OTHER__TYPE": "datefolder", "STORAGES__OTHER__ROOT": "data/../data/images"},
    {"STORAGES__OTHER__TYPE": "florp"},
    {"STORAGES__OTHER__ROOT": "x"},
    {"STORAGES__DISK__ROOT": "/proc/nothing"},
    {"STORAGES__DISK__ROOTS": "x"},
    {"STORAGES__S3__TYPE": "s3", "STORAGE": "s3"},
    {"STORAGES__S3__TYPE": "s3", "STORAGES__S3__BUCKET": "b", "STORAGES__S3__ENDPOINT_URL": "not an address"},
    {"STORAGES": "5"},
    {"CATALOG__URL": f"postgres://user:{SECRET}@host/name"},
    {"CATALOG__URL": f"postgresql://user:{SECRET}@x@host/name"},
    {"CATALOG__URL": f"postgresql://user:x/{SECRET}@host/name"},
    {"CATALOG__URL": f"postgresql://user:[{SECRET}@host/name"},
    {"CATALOG__URL": f"postgresql://user:{SECRET}%@host/name"},
    {"CATALOG__URL": f"mysql://user:{SECRET}@host/name"},
    {"CATALOG__URL": "sqlite:////proc/x.db"},
    {"LIMITS__REDIS_URL": f"me:{SECRET}@host"},
    {"IMAGES__FORMATS": "[exe]"},
    {"IMAGES__WORKERS": "10000000"},
    {"API__KEY__FILE": "missing"},
    {"API__KYE": SECRET},
    {"DATA_DIR": "/proc/x"},
    {"LOG__LEVEL": "loud"},
]


def test_check_and_serve_refuse_broken_settings_alike(tmp_path: Path):
    commands = ("check", "serve", "stats")
    walks = [([command], settings) for settings in REFUSED for command in commands]
    done = iter(walked(tmp_path, walks))
    for settings in REFUSED:
        for command, (status, output, error) in zip(commands, done, strict=False):
            told = (settings, command, output, error)
            assert not error, told
            assert "Traceback" not in output, told
            assert SECRET not in output, told
            if command != "stats":
                assert status == 2, told


@pytest.mark.parametrize(
    "text", ["server: 5", "images: [1]", "storages: 5", "storages: {disk: 5}", "images: {thumb: 7}"]
)
def test_a_scalar_in_the_place_of_a_section_is_refused_beside_variables(tmp_path: Path, text: str):
    (tmp_path / "settings.yaml").write_text(text)
    variables = {"SERVER__PORT": "9000", "IMAGES__THUMB__WIDTH": "100", "STORAGES__DISK__ROOT": "x"}
    for status, output, _ in walked(tmp_path, [(["check"], variables), (["serve"], variables)]):
        assert status == 2
        assert "should hold" in output
