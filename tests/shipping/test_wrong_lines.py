"""The commonest wrong lines in files of proxies: `imges check --public` finds each, and names the line to change."""

import os
import subprocess
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.checked import SOUND
from tests.served import IMGES, Served, serving
from tests.shipping.proxies import HOST, running_proxy

SETTINGS = {
    "SERVER__TRUSTED_PROXIES": "[127.0.0.9/32]",
    "LIMITS__UPLOADS": "null",
    "LIMITS__DISK_RESERVE": "1 MB",
    "IMAGES__MAX_SIZE": "2 MB",
}
"""nginx and haproxy connect from the trusted address. So this machine can be a client that is not trusted."""

RESOLVING = f"""
import socket
real = socket.getaddrinfo
def mapped(host, *rest, **more):
    return real("127.0.0.1" if host in ({HOST!r}, {HOST.encode()!r}) else host, *rest, **more)
socket.getaddrinfo = mapped
"""
"""What Python runs before the check: the site's name leads to this machine."""


@dataclass(frozen=True)
class Wrong:
    """*edits* of the file that we ship, and for each what is found and what it says to change."""

    edits: Sequence[tuple[str, str]]
    found: Sequence[tuple[str, str]]


AUTHORIZATION = ("an API key in the header Authorization does not arrive", "proxy_set_header Authorization")
ORIGIN = ("a form of another site is accepted", "no `proxy_set_header Origin`")
COMPRESSED = ("the proxy compresses pictures (gzip)", "no pictures in gzip_types")
TWICE = ("Access-Control-Allow-Origin twice", "should not add what imges sends already")
BELIEVES = ("the server believes what a client says about its address", "X-Forwarded-For $remote_addr")
SCHEME = ("the server makes addresses as http://", "X-Forwarded-Proto $scheme")
NAME = ("the server makes addresses as", "proxy_set_header Host $http_host")
LARGE = ("an upload of 2 MB is", "client_max_body_size 0")
PATH = ("the proxy changes the path", "with nothing behind the port")
PICTURES = ("the picture that was uploaded is answered with 404", "should pass /images/ to imges")
PAGE = ("the page of a deleted picture is still answered with 200", "no `proxy_ignore_headers Cache-Control`")
REDIRECT = ("is redirected with 301, which makes it a GET", "return 308")

IN_SERVER = r"^ *proxy_http_version 1\.1;"
IN_HAPROXY = r"^ *unique-id-format.*"
SENDER = (r"^ *proxy_http_version 1\.1;", "    proxy_bind 127.0.0.9; proxy_http_version 1.1;")


def in_nginx(lines: str) -> tuple[str, str]:
    return IN_SERVER, f"    proxy_http_version 1.1; {lines}"


NGINX = {
    "headers": Wrong(
        [
            in_nginx(
                'proxy_set_header Authorization ""; proxy_set_header Origin ""; gzip on; gzip_types *; '
                "gzip_min_length 1; add_header Access-Control-Allow-Origin *; error_page 497 =301 https://$http_host$request_uri;"
            ),
            (r"^ *proxy_set_header X-Forwarded-For.*\n", ""),
            (r"^ *add_header Strict-Transport-Security .*\n", ""),
        ],
        [AUTHORIZATION, ORIGIN, COMPRESSED, TWICE, BELIEVES, REDIRECT],
    ),
    "scheme": Wrong([(r"^ *proxy_set_header X-Forwarded-Proto.*\n", "")], [SCHEME]),
    "name": Wrong([(r"^ *proxy_set_header (Host|X-Forwarded-Host).*\n", "")], [NAME]),
    "port": Wrong([(r"\$http_host;", "$host;")], [NAME]),
    "size-and-cache": Wrong(
        [
            (r"client_max_body_size 0;", ""),
            (r"access_log off;", "access_log off; proxy_cache_path {folder}/cache keys_zone=z:1m;"),
            in_nginx(
                "location /image/ { proxy_pass http://imges; proxy_cache z; proxy_cache_valid 200 1h; "
                "proxy_ignore_headers Cache-Control Vary; }"
            ),
        ],
        [LARGE, PAGE],
    ),
    "path-of-the-api": Wrong([in_nginx("location /api/ { proxy_pass http://imges/; }")], [PATH]),
    "path-doubled": Wrong([in_nginx("location /api/ { proxy_pass http://imges/api/api/; }")], [PATH]),
    "path-of-pictures": Wrong([in_nginx("location /images/ { proxy_pass http://imges/; }")], [PICTURES]),
}


def in_caddy(lines: str, site: str = "") -> list[tuple[str, str]]:
    """*lines* inside of `reverse_proxy`, and others of the *site*."""
    return [
        (r"^\t\tflush_interval -1", f"flush_interval -1\n{lines}"),
        (r"^\t@tunnel method", f"{site}\n\t@tunnel method"),
    ]


CADDY = {
    "headers": Wrong(
        in_caddy(
            "header_up -Authorization\nheader_up -Origin",
            "encode {\ngzip\nminimum_length 1\nmatch header Content-Type image/*\n}\n"
            "header {\n+Access-Control-Allow-Origin *\ndefer\n}",
        ),
        [AUTHORIZATION, ORIGIN, COMPRESSED, TWICE],
    ),
    "scheme-and-size": Wrong(
        in_caddy("header_up -X-Forwarded-Proto", "request_body {\nmax_size 1MB\n}"), [SCHEME, LARGE]
    ),
    "name": Wrong(in_caddy("header_up Host imges.internal\nheader_up X-Forwarded-Host imges.internal"), [NAME]),
    "path-of-the-api": Wrong(in_caddy("", "uri strip_prefix /api"), [PATH]),
}


def in_haproxy(*lines: str) -> tuple[str, str]:
    return IN_HAPROXY, "\n    ".join(("    unique-id-format %{+X}o%rt%Ts%pid", *lines))


HAPROXY = {
    "headers": Wrong(
        [
            (r"^ *http-request set-header X-Forwarded-For.*\n", ""),
            in_haproxy(
                "http-request del-header Authorization",
                "http-request del-header Origin",
                "compression algo gzip",
                "compression type image/png",
                "http-response add-header Access-Control-Allow-Origin *",
            ),
        ],
        [AUTHORIZATION, ORIGIN, COMPRESSED, TWICE, BELIEVES],
    ),
    "scheme-and-size": Wrong(
        [
            (r"^ *http-request set-header X-Forwarded-Proto.*\n", ""),
            in_haproxy("http-request deny deny_status 413 if { req.hdr_val(content-length) gt 1000000 }"),
        ],
        [SCHEME, LARGE],
    ),
    "name": Wrong([in_haproxy("http-request set-header Host imges.internal")], [NAME]),
    "path-of-the-api": Wrong([in_haproxy(r"http-request replace-path /api(/.*) \1")], [PATH]),
}

CASES = [
    pytest.param(kind, wrong, id=f"{kind}-{name}")
    for kind, cases in {"nginx": NGINX, "caddy": CADDY, "haproxy": HAPROXY}.items()
    for name, wrong in cases.items()
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serving(tmp_path_factory.mktemp("wrong-lines"), **SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def behind_caddy(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """Caddy has no setting for the address that it connects from."""
    settings = SETTINGS | {"SERVER__TRUSTED_PROXIES": "[127.0.0.0/8]"}
    with serving(tmp_path_factory.mktemp("behind-caddy"), **settings) as server:
        yield server


def checked(served: Served, base: str, folder: Path) -> str:
    """What `imges check --public` prints of the site at *base*."""
    (folder / "sitecustomize.py").write_text(RESOLVING)
    settings = SOUND | SETTINGS | {"SERVER__PUBLIC_URL": base, "SERVER__PORT": str(served.port)}
    env = {f"IMGES__{name}": value for name, value in settings.items()}
    env |= {"PYTHONPATH": str(folder), "SSL_CERT_FILE": str(folder / "fullchain.pem")}
    ran = subprocess.run(
        [*IMGES, "check", "--public"], cwd=served.folder, env=os.environ | env, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert not ran.stderr, ran.stderr
    return ran.stdout


def from_the_trusted_address(kind: str, served: Served) -> list[tuple[str, str]]:
    if kind == "haproxy":
        return [(rf"127\.0\.0\.1:{served.port}", f"127.0.0.1:{served.port} source 127.0.0.9")]
    return [SENDER] if kind == "nginx" else []


@pytest.mark.parametrize(("kind", "wrong"), CASES)
def test_a_wrong_line_is_named(request: pytest.FixtureRequest, tmp_path: Path, kind: str, wrong: Wrong):
    served: Served = request.getfixturevalue("behind_caddy" if kind == "caddy" else "served")
    folder = tmp_path / "proxy"
    edits = [
        (pattern, by.replace("{folder}", str(folder)).replace("{imges}", f"127.0.0.1:{served.port}"))
        for pattern, by in [*wrong.edits, *from_the_trusted_address(kind, served)]
    ]
    with running_proxy(kind, folder, served.port, served.folder / "data/images", *edits) as proxy:
        printed = checked(served, proxy.base, folder)
    for found, change in wrong.found:
        assert found in printed, printed
        line = next(line for line in printed.split("\n") if found in line)
        assert change in printed[printed.index(line) :]


@pytest.mark.parametrize("kind", ["nginx", "caddy", "haproxy"])
def test_nothing_is_wrong_with_the_files_that_we_ship(request: pytest.FixtureRequest, tmp_path: Path, kind: str):
    served: Served = request.getfixturevalue("behind_caddy" if kind == "caddy" else "served")
    edits = from_the_trusted_address(kind, served)
    with running_proxy(kind, tmp_path / "proxy", served.port, served.folder / "data/images", *edits) as proxy:
        printed = checked(served, proxy.base, tmp_path / "proxy")
    assert "WRONG" not in printed, printed
    assert "gone at once" in printed
