"""Variables of the environment that are not read, and the file of secrets."""

from pathlib import Path

import pytest

from imges.settings import loading, unread_variables
from imges.settings.secrets_file import read_secrets
from imges.settings.values import catalog_url
from tests.settings.reading import complaints, from_environment, from_file


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("IMGES_SERVER_PORT", "IMGES__SERVER__PORT"),
        ("imges__server__port", "IMGES__SERVER__PORT"),
        ("IMAGES__SERVER__PORT", "IMGES__SERVER__PORT"),
        ("IMGES_IMAGES__MAX_SIZE", "IMGES__IMAGES__MAX_SIZE"),
        ("IMGES_NOTHING", "settings begin with IMGES__"),
    ],
)
def test_a_misspelt_variable_is_named_without_its_value(variable: str, meant: str):
    (sentence,) = unread_variables({variable: "hunter2"})
    assert variable in sentence
    assert meant in sentence
    assert "hunter2" not in sentence


def test_variables_of_others_are_no_misspelt_ones():
    kubernetes = ["IMGES_SERVICE_HOST", "IMGES_SERVICE_PORT_HTTP", "IMGES_PORT", "IMGES_PORT_8080_TCP_ADDR"]
    others = ["IMGES_KEY", "IMGES_SERVER", "IMGES_PLUGINS", "IMGES__SERVER__PORT", "IMAGE", "PATH", "IMAGES_DIR"]
    assert unread_variables(dict.fromkeys(kubernetes + others, "x")) == []


def test_secrets_stand_between_the_file_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    secrets = tmp_path / "secrets.env"
    secrets.write_text('# ours\n\nIMGES__API__KEY="k=1 #2"\nIMGES__SERVER__PORT=9001\n')
    monkeypatch.setattr(loading, "SECRETS", secrets)
    settings = from_file("{server: {port: 9000}, api: {key: other}}")
    assert (settings.api.key, settings.server.port) == ("k=1 #2", 9001)
    assert from_environment(SERVER__PORT="9002").server.port == 9002


@pytest.mark.parametrize("line", ["hunter2", "API__KEY=hunter2", "export IMGES__API__KEY=hunter2"])
def test_a_wrong_line_of_secrets_is_named_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str):
    secrets = tmp_path / "secrets.env"
    secrets.write_text(f"IMGES__SERVER__PORT=1\n{line}\n")
    monkeypatch.setattr(loading, "SECRETS", secrets)
    (problem,) = complaints(from_environment)
    assert f"{secrets} cannot be read: line 2 should be" in problem
    assert "hunter2" not in problem


def test_a_wrong_value_is_named_with_the_file_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    secrets = tmp_path / "secrets.env"
    secrets.write_text("IMGES__SERVER__PORT=x\n")
    monkeypatch.setattr(loading, "SECRETS", secrets)
    (problem,) = complaints(from_environment)
    assert problem.endswith(f"[IMGES__SERVER__PORT in {secrets}]")
    assert read_secrets(secrets) == {"IMGES__SERVER__PORT": "x"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://", "postgresql:///imges", "postgresql://imges@/imges?host=/run/postgresql",
        "postgresql://me:p%40ss%2Fword@db.example.org:5432/imges?sslmode=require", "postgresql://a:1,b:2/imges",
        "postgresql://me@[::1]:5432/imges", "postgresql://me@%2Frun%2Fpostgresql/imges",
        "postgresql:///imges?user=me&password=p@ss", "sqlite:////var/lib/imges/imges.db",
    ],
)  # fmt: skip
def test_addresses_of_catalogs(url: str):
    assert catalog_url(url) == url


@pytest.mark.parametrize("password", ["p@ss", "pa/ss", "[pass", "pass]", "100%", "pa:ss", "pa#ss", "pa?ss@x", "1/2"])
def test_a_password_that_has_to_be_escaped_is_refused_with_advice(password: str):
    with pytest.raises(ValueError, match="write %40 for @") as refused:
        catalog_url(f"postgresql://me:{password}@host/name")
    assert password not in str(refused.value)
