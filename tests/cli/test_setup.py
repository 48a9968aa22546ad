"""`imges setup`: the files of a service, written below a folder, and what programs make of them."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from imges.settings import load_settings
from tests.commands import run
from tests.servers import free_ports
from tests.shipping.proxies import DEPLOY, HOST, changed


@pytest.fixture
def made(tmp_path: Path) -> Path:
    said = run(tmp_path, "setup", HOST, "--root", "root")
    assert said.returncode == 0, said.stderr
    return tmp_path / "root"


def test_the_files_are_those_that_are_tried_with_systemd_and_nginx(made: Path):
    """The tests of `deploy/` run nginx and `systemd-analyze` with them."""
    assert (made / "etc/systemd/system/imges.service").read_text() == (DEPLOY / "imges.service").read_text()
    assert (made / "etc/nginx/sites-available/imges").read_text() == (DEPLOY / "nginx.conf").read_text()
    hook = made / "etc/letsencrypt/renewal-hooks/deploy/imges"
    assert stat.S_IMODE(hook.stat().st_mode) == 0o755
    assert subprocess.run(["sh", "-n", hook], check=False).returncode == 0


def test_settings_and_secrets(made: Path):
    settings = load_settings(made / "etc/imges/settings.yaml", environ={})
    assert settings.server.public_url == f"https://{HOST}"
    assert settings.data_dir == Path("/var/lib/imges")
    assert stat.S_IMODE((made / "etc/imges/secrets.env").stat().st_mode) == 0o600
    assert stat.S_IMODE((made / "var/lib/imges").stat().st_mode) == 0o711


def test_systemd_and_nginx_understand_another_host(tmp_path: Path):
    assert run(tmp_path, "setup", "img.test", "--root", "root").returncode == 0
    text = (tmp_path / "root/etc/nginx/sites-available/imges").read_text()
    text = changed(
        text, (r"^ *ssl_certificate.*\n", ""), (r"^ *listen \[::\].*\n", ""), (r"/var/log/nginx", str(tmp_path))
    )
    http, https = free_ports(2)
    text = changed(
        text, (r"listen 443 ssl http2;", f"listen 127.0.0.1:{https};"), (r"listen 80;", f"listen 127.0.0.1:{http};")
    )
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}\n}}\n")
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    assert nginx, "`make tools` installs nginx"
    tried = subprocess.run(
        [nginx, "-t", "-e", tmp_path / "log", "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "server_name img.test" in text
    assert tried.returncode == 0, tried.stderr


def test_a_second_run_keeps_what_the_owner_wrote(made: Path):
    settings, unit = made / "etc/imges/settings.yaml", made / "etc/systemd/system/imges.service"
    settings.write_text(settings.read_text() + "site: {name: Ours}\n")
    (made / "etc/imges/secrets.env").write_text("IMGES__API__KEY=0123456789abcdef\n")
    unit.write_text("[Service]\nExecStart=/opt/mine\n")
    said = run(made.parent, "setup", HOST, "--root", "root")
    assert said.returncode == 0, said.stderr
    assert "site: {name: Ours}" in settings.read_text()
    assert "0123456789abcdef" in (made / "etc/imges/secrets.env").read_text()
    assert "/opt/mine" in unit.read_text()
    assert "imges.service.new, because another file has its name" in said.stdout
    assert "systemctl enable --now imges" in said.stdout


def test_another_host_than_that_of_the_settings_is_refused(made: Path):
    said = run(made.parent, "setup", "other.example.org", "--root", "root")
    assert (said.returncode, f"https://{HOST}" in said.stderr) == (2, True)


@pytest.mark.parametrize(
    "host", ["https://img.example.org", "localhost", "Img.Example.org", "img.example.org/x", "-x.y"]
)
def test_what_is_no_name_is_refused(tmp_path: Path, host: str):
    said = run(tmp_path, "setup", "--root", "root", "--", host)
    assert (said.returncode, "HOST" in said.stderr, (tmp_path / "root").exists()) == (2, True, False)
