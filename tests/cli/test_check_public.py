"""`imges check --public`: proxies broken on purpose, one after the other; each has to be named, with what to do."""

import os
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests import drawn
from tests.cli.checked import SOUND, check
from tests.commands import run
from tests.served import IMGES, free_port, serving
from tests.servers import running_nginx
from tests.shipping.proxies import running_proxy


def public(folder: Path, base: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return check(folder, "--public", **(settings | {"SERVER__PUBLIC_URL": base}))


PROXIED = {"SERVER__TRUSTED_PROXIES": "[127.0.0.9/32]", "LIMITS__UPLOADS": "null", "IMAGES__MAX_SIZE": "2 MB"}
"""The proxy is said to be elsewhere, so that this machine can be a client that is not trusted."""


def test_a_sound_server_is_good_from_outside_and_keeps_nothing(tmp_path: Path):
    with serving(tmp_path, **PROXIED) as served:
        base = f"http://127.0.0.1:{served.port}"
        said = public(tmp_path, base, **(PROXIED | {"SERVER__PORT": str(served.port)}))
        assert said.returncode == 0, said.stdout + said.stderr
        for found in ("a picture was uploaded", "addresses begin with", "form is accepted", "uploads of 2 MB",
                      "address is seen: 127.0.0.1", "can be kept", "gone at once"):  # fmt: skip
            assert found in said.stdout
        assert not list((tmp_path / "data/images").rglob("*.png"))
        assert "Traceback" not in served.log


def test_one_old_address_of_an_import_is_asked(tmp_path: Path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old/a b.png").write_bytes(drawn.png())
    assert run(tmp_path, "import", "old", "--from", "folder", "--keep-paths", "/u").returncode == 0
    with serving(tmp_path, **PROXIED) as served:
        base = f"http://127.0.0.1:{served.port}"
        said = public(tmp_path, base, **(PROXIED | {"SERVER__PORT": str(served.port)}))
        assert "an old address still works: /u/a b.png" in said.stdout
        assert served.request("GET", "/u/a%20b.png") == (200, drawn.png())


NGINX = """
pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; proxy_cache_path {folder}/cache keys_zone=z:1m;
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        location / {{ proxy_pass http://127.0.0.1:{imges}; {lines} }}
    }}
}}
"""
SOUND_LINES = "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;"
BROKEN_PROXIES = [
    pytest.param(
        "proxy_set_header Host $http_host; client_max_body_size 1m;", {},
        "of 2 MB is answered with 413", "client_max_body_size 0", id="body",
    ),
    pytest.param("", {"SERVER__PUBLIC_URL": "null"}, "the server makes addresses as", "public_url: http", id="name"),
    pytest.param(
        SOUND_LINES + "proxy_cache z; proxy_cache_valid 200 1h;", {},
        "a deleted picture is still answered with 200", "take the cache", id="cache",
    ),
    pytest.param(
        SOUND_LINES + "proxy_hide_header Cache-Control;", {},
        "pictures come without Cache-Control", "leave these headers", id="headers",
    ),
    pytest.param(
        SOUND_LINES + "proxy_set_header If-None-Match '';", {},
        "has not changed is sent again", "If-None-Match", id="conditions",
    ),
    pytest.param(
        SOUND_LINES + "limit_except GET { deny all; }", {},
        "an upload is answered with 403, and not by imges", "pass POST", id="post",
    ),
    pytest.param(
        SOUND_LINES, {"SERVER__ACCEL_REDIRECT": "/protected"},
        "the picture that was uploaded is answered with 404", "should pass /images/", id="accel",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "settings", "problem", "change"), BROKEN_PROXIES)
def test_a_broken_proxy_is_named_with_what_to_change(
    tmp_path: Path, lines: str, settings: dict[str, str], problem: str, change: str
):
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with serving(tmp_path, **(PROXIED | {"SERVER__PUBLIC_URL": base} | settings)) as served:
        folder = tmp_path / "nginx"
        folder.mkdir()
        text = NGINX.format(folder=folder, port=port, imges=served.port, lines=lines)
        with running_nginx(folder, text, f"{base}/healthz"):
            said = public(tmp_path, base, **(PROXIED | {"SERVER__PORT": str(served.port)}))
    assert said.returncode == 1, said.stdout + said.stderr
    assert problem in said.stdout
    assert change in said.stdout
    assert "Traceback" not in said.stderr


def test_a_proxy_that_lets_clients_lie_is_named(tmp_path: Path):
    """The proxy comes by a unix socket, which is trusted. The address of this machine is not."""
    port, listens = free_port(), tmp_path / "s"
    base = f"http://127.0.0.1:{port}"
    settings = PROXIED | {"SERVER__UNIX_SOCKET": str(listens), "SERVER__PUBLIC_URL": base}
    env = os.environ | {f"IMGES__{name}": value for name, value in (SOUND | settings).items()}
    folder = tmp_path / "nginx"
    folder.mkdir()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*IMGES, "serve"], cwd=tmp_path, env=env, stdout=log, stderr=log)
    try:
        for lines, problem in (
            ("proxy_set_header Host $http_host;", "the server believes what a client says"),
            ("proxy_set_header X-Forwarded-For '';", "the server sees the proxy (by its socket)"),
            (SOUND_LINES, "the client's address is seen: 127.0.0.1"),
        ):
            text = NGINX.format(folder=folder, port=port, imges=1, lines=lines)
            text = text.replace("http://127.0.0.1:1;", f"http://unix:{listens};")
            with running_nginx(folder, text, f"{base}/healthz"):
                wait_until_good(base)
                assert problem in public(tmp_path, base, **settings).stdout
    finally:
        process.terminate()
        process.wait(30)


def wait_until_good(base: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"{base}/healthz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("it does not come up")


@pytest.mark.parametrize(
    ("base", "why"),
    [
        ("http://127.0.0.1:1", "nothing answers"),
        ("http://no-such-name.invalid", "its name is not known"),
    ],
)
def test_an_address_without_a_server_is_named_with_the_reason(tmp_path: Path, base: str, why: str):
    said = public(tmp_path, base)
    assert (said.returncode, f"{base}: {why}" in said.stdout) == (1, True), said.stdout


def test_an_untrusted_certificate_is_named(tmp_path: Path):
    with serving(tmp_path) as served, running_proxy("nginx", tmp_path / "p", served.port, tmp_path) as proxy:
        said = public(tmp_path, f"https://127.0.0.1:{proxy.https}")
    assert "its certificate is not to be trusted" in said.stdout
