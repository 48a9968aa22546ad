"""SIGHUP: settings that a running server takes over."""

import signal
import time
from pathlib import Path

import pytest
from aiohttp import web

from imges.cli.reload import reload
from imges.settings import load_settings
from tests.served import Served, serving


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_hangup_reloads_what_it_can_and_names_what_it_cannot(tmp_path: Path, workers: str):
    file = tmp_path / "settings.yaml"
    file.write_text("site: {name: Before}\n")
    with serving(tmp_path, SERVER__WORKERS=workers) as served:
        assert shown(served, b"Before")
        file.write_text("site: {name: After}\nimages: {max_size: 1 KB, timeout: 3 s}\nlimits: {wrong_keys: 1/minute}\n")
        served.process.send_signal(signal.SIGHUP)
        assert shown(served, b"After")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-API-Key": served.key}
        body = b"source=" + b"A" * 9000
        assert served.request("POST", "/api/1/upload", body, **headers)[0] == 413
        assert "changed: images.max_size, limits.wrong_keys, site.name" in served.log
        assert "with a restart only: images.timeout" in served.log
        file.write_text("site: {name: 5}\nnonsense: 1\n")
        served.process.send_signal(signal.SIGHUP)
        wait_for_line(served, "settings are not reloaded: nonsense")
        assert "Traceback" not in served.log
        assert shown(served, b"After")


def test_a_hangup_while_the_application_starts_changes_its_settings(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("site: {name: Before}\n")
    settings = load_settings(file, {})
    file.write_text("site: {name: After}\n")
    reload(web.Application(), settings, file)
    assert settings.site.name == "After"


def test_hangups_while_processes_start_end_no_process(tmp_path: Path):
    with serving(tmp_path, SERVER__WORKERS="3") as served:
        for _ in range(50):
            served.process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        wait_for_line(served, "with 3 processes")
        assert "takes its place" not in served.log
        assert "Traceback" not in served.log


def shown(served: Served, name: bytes) -> bool:
    """Waits until the page shows *name*, whichever process answers, and returns whether it does."""
    deadline, good = time.monotonic() + 20, 0
    while time.monotonic() < deadline and good < 8:
        good = good + 1 if name in served.request("GET", "/")[1] else 0
    return good == 8


def wait_for_line(served: Served, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in served.log:
        assert time.monotonic() < deadline, served.log
        time.sleep(0.05)
