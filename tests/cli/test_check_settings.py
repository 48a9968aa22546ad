"""What `imges check` says about settings that are valid and yet doubtful. `test_check` runs the command."""

import os
from pathlib import Path

import pytest

from imges.cli import check_settings
from imges.cli.check_findings import Finding
from imges.settings import load_settings


@pytest.fixture(autouse=True)
def without_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def findings(**settings: str) -> list[Finding]:
    sound = {"SERVER__PUBLIC_URL": "https://img.example.org"}
    environ = {f"IMGES__{name}": value for name, value in (sound | settings).items()}
    return list(check_settings.findings(load_settings(environ=environ), None))


def graded(**settings: str) -> list[tuple[str, str]]:
    return [(finding.grade, finding.found) for finding in findings(**settings)]


def test_sound_settings_are_good():
    assert graded() == [("good", "")]
    assert graded(API__KEY="k" * 16, SERVER__TRUSTED_PROXIES="[10.0.0.0/8]") == [("good", "")]


@pytest.mark.parametrize(("length", "grade"), [(7, "WRONG"), (8, "note"), (15, "note"), (16, "good")])
def test_a_short_key_is_doubtful_and_a_very_short_one_wrong(length: int, grade: str):
    ((found, _),) = graded(API__KEY="k" * length)
    assert found == grade


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_trusting_every_address_is_wrong(network: str):
    assert graded(SERVER__TRUSTED_PROXIES=f"[127.0.0.1, '{network}']")[0] == (
        "WRONG",
        "server.trusted_proxies trusts every address",
    )


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("8.8.8.0/24", "a public network"),
        ("2a00::/16", "a public network"),
        ("172.16.0.0/12", "a network of Docker"),
        ("172.17.0.0/16", "a network of Docker"),
        ("172.30.88.1/32", None),
        ("10.0.0.0/8", None),
        ("fd00::/8", None),
    ],
)
def test_networks_of_strangers_should_not_be_trusted(network: str, words: str | None):
    ((grade, found),) = graded(SERVER__TRUSTED_PROXIES=f"['{network}']")
    assert (grade, words is None or words in found) == ("note" if words else "good", True), found


def test_a_public_url_should_have_tls_unless_it_is_local():
    (found,) = findings(SERVER__PUBLIC_URL="http://img.example.org")
    assert (found.grade, found.change) == (
        "note",
        "server: {public_url: https://img.example.org}, and TLS in the proxy",
    )
    for url in ("http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080"):
        assert graded(SERVER__PUBLIC_URL=url) == [("good", "")]
    assert "is not set" in graded(SERVER__PUBLIC_URL="null")[0][1]


@pytest.mark.parametrize(("mode", "count"), [(0o644, 1), (0o640, 0)])
def test_a_settings_file_with_a_key_should_be_private(tmp_path: Path, mode: int, count: int):
    file = tmp_path / "settings.yaml"
    file.write_text(f"api: {{key: {'k' * 20}}}\nserver: {{public_url: https://img.example.org}}\n")
    file.chmod(mode)
    found = list(check_settings.findings(load_settings(file, {}), file))
    assert sum(finding.change == f"chmod o-r {file}" for finding in found) == count
    file.write_text("server: {public_url: https://img.example.org}\n")
    assert [finding.grade for finding in check_settings.findings(load_settings(file, {}), file)] == ["good"]


def test_more_workers_than_the_cores_can_use_are_doubtful(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert graded(SERVER__WORKERS="8", IMAGES__WORKERS="8") == [("good", "")]
    many = findings(SERVER__WORKERS="9", IMAGES__WORKERS="10")
    assert [finding.found for finding in many] == [
        "server.workers is 9, and this machine has 2 cores",
        "images.workers is 10, and this machine has 2 cores",
    ]
    assert many[0].change == "server: {workers: 2}"
