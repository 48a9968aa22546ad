"""Starts the proxies that `deploy/` has files for, with these files. Only ports, paths and certificates are changed."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers import START, free_ports

DEPLOY = Path(__file__).parents[2] / "deploy"
HOST = "img.example.org"


@dataclass(frozen=True)
class Site:
    """What a proxy's file is changed for: where imges listens and keeps its pictures, and the proxy's own ports."""

    folder: Path
    imges: int
    images: Path
    https: int
    http: int

    @property
    def base(self) -> str:
        return f"https://{HOST}:{self.https}"


def changed(text: str, *changes: tuple[str, str]) -> str:
    """Replaces each of *changes* in *text*, a regular expression and its replacement. Fails if one does not match."""
    for pattern, by in changes:
        text, count = re.subn(pattern, lambda _, by=by: by, text, flags=re.MULTILINE)
        assert count, f"{pattern} is not in the file"
    return text


def certificate(folder: Path) -> tuple[Path, Path]:
    """Makes a certificate for `HOST`, and returns it and its key."""
    chain, key = folder / "fullchain.pem", folder / "privkey.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
         "-addext", f"subjectAltName=DNS:{HOST}", "-out", chain, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain, key


def nginx(site: Site, *, variant: bool = False) -> list[str | Path]:
    chain, key = certificate(site.folder)
    text = (DEPLOY / "nginx.conf").read_text()
    if variant:
        text = changed(text, (r"#\| ", ""))
    text = changed(
        text,
        (r"^ *listen \[::\].*\n", ""),
        (r"listen 80;", f"listen 127.0.0.1:{site.http};"),
        (r"listen 443 ssl http2;", f"listen 127.0.0.1:{site.https} ssl http2;"),
        (r"/etc/letsencrypt/live/img\.example\.org/fullchain\.pem", str(chain)),
        (r"/etc/letsencrypt/live/img\.example\.org/privkey\.pem", str(key)),
        (r"127\.0\.0\.1:8080", f"127.0.0.1:{site.imges}"),
        (r"/var/lib/imges/images", str(site.images)),
        (r"/var/log/nginx", str(site.folder)),
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {site.folder}/{kind};" for kind in kinds)
    file = site.folder / "nginx.conf"
    file.write_text(
        f"user root;\npid {site.folder}/pid; error_log {site.folder}/log;\nevents {{}}\n"
        f"http {{ access_log off; {paths}\n{text}\n}}\n"
    )
    return ["nginx", "-e", site.folder / "log", "-c", file, "-g", "daemon off;"]


def nginx_variant(site: Site) -> list[str | Path]:
    return nginx(site, variant=True)


def caddy(site: Site) -> list[str | Path]:
    chain, key = certificate(site.folder)
    text = changed(
        (DEPLOY / "Caddyfile").read_text(),
        (r"^img\.example\.org \{", f"{site.base} {{\n\ttls {chain} {key}"),
        (r"127\.0\.0\.1:8080", f"127.0.0.1:{site.imges}"),
    )
    file = site.folder / "Caddyfile"
    file.write_text(f"{{\n\tadmin off\n\thttp_port {site.http}\n\tskip_install_trust\n}}\n{text}")
    return ["caddy", "run", "--config", file, "--adapter", "caddyfile"]


def haproxy(site: Site) -> list[str | Path]:
    chain, key = certificate(site.folder)
    both = site.folder / "both.pem"
    both.write_bytes(chain.read_bytes() + key.read_bytes())
    text = changed(
        (DEPLOY / "haproxy.cfg").read_text(),
        (r"bind :80$", f"bind 127.0.0.1:{site.http}"),
        (r"bind :443", f"bind 127.0.0.1:{site.https}"),
        (r"/etc/haproxy/certs/img\.example\.org\.pem", str(both)),
        (r"127\.0\.0\.1:8080", f"127.0.0.1:{site.imges}"),
    )
    file = site.folder / "haproxy.cfg"
    file.write_text(text)
    return ["haproxy", "-db", "-f", file]


PROXIES: dict[str, Callable[[Site], list[str | Path]]] = {
    "nginx": nginx, "nginx-variant": nginx_variant, "caddy": caddy, "haproxy": haproxy
}  # fmt: skip


def _wait_until_it_accepts(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args} did not start:\n{log.read_text(errors='replace')[-3000:]}")


@contextmanager
def running_proxy(kind: str, folder: Path, imges: int, images: Path, *wrong: tuple[str, str]) -> Generator[Site]:
    """Runs the proxy *kind* in front of the imges at port *imges*. It writes below *folder* alone.

    Each of *wrong* is made in its file: a regular expression and its replacement.
    """
    folder.mkdir()
    folder.chmod(0o755)
    https, http = free_ports(2)
    site = Site(folder, imges, images, https, http)
    command = PROXIES[kind](site)
    file = next(each for each in map(Path, command) if each.parent == folder and each.is_file())
    file.write_text(changed(file.read_text(), *wrong))
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    program = shutil.which(str(command[0]), path=path)
    assert program is not None, f"{command[0]} is not installed; `make tools` does it"
    environment = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([program, *command[1:]], stdout=log, stderr=log, env=environment)
    try:
        _wait_until_it_accepts(process, https, folder / "log")
        yield site
    finally:
        process.terminate()
        process.wait(20)
