"""A real server on a socket, in this process so that a blocking call on its loop is seen."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from inspect import iscoroutinefunction
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from blockbuster import BlockBuster, blockbuster_ctx
from multidict import CIMultiDictProxy

from imges.app import PICTURES, create_app
from imges.pictures import Pictures
from imges.processes.lock import held
from imges.settings import load_settings
from imges.web.connection.server import listening
from tests.backing import Backing, DiskBacking, S3Backing
from tests.web.described import DESCRIPTION

DEFAULTS = {
    "IMAGES__TIMEOUT": "60 s",  # on a busy machine a decoder may take long
    "LIMITS__UPLOADS": "null",
    "LIMITS__WRONG_KEYS": "null",
    "LIMITS__DISK_RESERVE": "1 MB",
    "API__KEY": "abc #def",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for the tests of this folder, since they share servers."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and isinstance(item, pytest.Function) and iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@dataclass
class Answer:
    """What came back: *json* is `None` where the body is none."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def error(self) -> tuple[int, int]:
        """HTTP status and API code."""
        return self.status, self.json["error"]["code"]


@dataclass
class Server:
    """A running imges and its one client, who looks whether each answer is as `openapi.yaml` describes it."""

    base: str
    data_dir: Path
    session: aiohttp.ClientSession
    pictures: Pictures
    backing: Backing
    key: str = "abc #def"
    app: Any = None
    """The aiohttp application, where it runs in this process."""

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        options.setdefault("allow_redirects", False)
        url = path if path.startswith("http") else self.base + path
        async with self.session.request(method, url, **options) as answer:
            body = await answer.read()
            DESCRIPTION.check(method, path, answer.status, answer.headers, body)
            return Answer(answer.status, answer.headers, body)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection, for what no client's library would send."""
        host, port = self.base.removeprefix("http://").split(":")
        return await asyncio.open_connection(host, int(port))

    async def status_line(self, sent: bytes) -> bytes:
        """How the answer to *sent* begins, which comes within five seconds though the request may not be whole."""
        reader, writer = await self.connect()
        writer.write(sent)
        async with asyncio.timeout(5):
            line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str = "/api/1/upload", **options: Any) -> Answer:
        return await self.request("POST", path, **options)

    async def upload(self, content: bytes, name: str = "dot.png", **fields: str) -> Answer:
        """A multipart upload with the key, as most clients send it."""
        form = aiohttp.FormData()
        for field, value in {"key": self.key, **fields}.items():
            form.add_field(field, value)
        form.add_field("source", BytesIO(content), filename=name)
        return await self.post(data=form)

    async def uploaded(self, content: bytes, name: str = "dot.png", **fields: str) -> dict[str, Any]:
        """The `image` of a successful upload."""
        answer = await self.upload(content, name, **fields)
        assert answer.status == 200, answer.text
        return answer.json["image"]

    def files(self) -> set[str]:
        """Everything of pictures, half-done puts and spool."""
        walk = os.walk(self.data_dir / "spool")  # which does not mind folders that get another name meanwhile
        return self.backing.objects() | {f"{folder}/{name}" for folder, _, names in walk for name in names}

    async def nothing_beyond(self, files: set[str]) -> bool:
        """Whether nothing else is there soon. The spool is emptied after an answer has gone out."""
        for _ in range(1000):
            if self.files() <= files:
                return True
            await asyncio.sleep(0.02)
        return False

    async def rows(self) -> int:
        """How many pictures the catalog has, whatever their state."""
        return sum((await self.pictures.catalog.figures.by_place()).values())


@asynccontextmanager
async def running(data_dir: Path, backing: Backing | None = None, **environ: str) -> AsyncGenerator[Server]:
    """A server with the defaults above, changed by settings in the form of the environment: `SITE__NAME="x"`.

    Without *backing* its pictures lie on the disk.
    """
    backing = backing or DiskBacking(data_dir)
    given = {f"IMGES__{name}": value for name, value in (DEFAULTS | dict(backing.environ()) | environ).items()}
    settings = load_settings(environ=given | {"IMGES__DATA_DIR": str(data_dir)})
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    with held(data_dir) as lock, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        app = create_app(settings, lock)
        runner = web.AppRunner(app, shutdown_timeout=5)
        try:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr("imges.imaging.slots.PATIENCE", 60.0)  # on a busy machine a worker is long at work
                await runner.setup()
            port = bound.getsockname()[1]
            async with listening(runner, [bound]), aiohttp.ClientSession() as session:
                yield Server(f"http://127.0.0.1:{port}", data_dir, session, app[PICTURES], backing, app=app)
        finally:
            await runner.cleanup()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The tests of the wire run on each backing, all others on the disk."""
    if "backing" in metafunc.fixturenames:
        names = list(BACKINGS) if metafunc.definition.path.stem in ON_EACH_BACKING else ["disk"]
        metafunc.parametrize("backing", names, indirect=True, scope="session")


BACKINGS: dict[str, Callable[[Path, pytest.FixtureRequest], Backing]] = {
    "disk": lambda data_dir, _: DiskBacking(data_dir),
    "s3": lambda _, request: S3Backing.new(
        request.getfixturevalue("seaweedfs"), catalog=request.getfixturevalue("postgres").new_database()
    ),  # as many nodes have it
}
ON_EACH_BACKING = {f"test_{name}" for name in ("errors", "names", "objects", "pages", "upload")}


@pytest.fixture(scope="session")
def backing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Backing]:
    """A data folder, and what the server of it stands on."""
    data_dir = tmp_path_factory.mktemp(request.param) / "data"
    return data_dir, BACKINGS[request.param](data_dir, request)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def imges(backing: tuple[Path, Backing]) -> AsyncGenerator[Server]:
    """A server with default settings but no rate limits."""
    async with running(*backing, URLS__ALLOW_PRIVATE="[127.0.0.1/32]") as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["vips", "pillow"])
async def each_imges(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Server]:
    """The server of `imges`, once with each processor."""
    folder = tmp_path_factory.mktemp(request.param) / "data"
    async with running(folder, IMAGES__PROCESSOR=request.param) as server:
        yield server


Start = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def start(tmp_path: Path, loop_stays_free: BlockBuster) -> Start:
    """Start a server with other settings: `async with start(API__GUEST_UPLOADS="false") as server`."""

    @asynccontextmanager
    async def start(backing: Backing | None = None, **environ: str) -> AsyncGenerator[Server]:
        loop_stays_free.deactivate()  # starting and stopping may block, because no client is served
        async with running(tmp_path / "data", backing, **environ) as server:
            loop_stays_free.activate()
            yield server
            loop_stays_free.deactivate()

    return start


@pytest.fixture(autouse=True)
def loop_stays_free() -> Iterator[BlockBuster]:
    """Fails a test in which our code blocks the loop with file, socket or database calls."""
    with blockbuster_ctx(["imges"]) as blockbuster:
        # asyncpg looks for ~/.pgpass when it connects, once in minutes
        blockbuster.functions["os.stat"].can_block_in("asyncpg/connect_utils.py", "_parse_connect_arguments")
        yield blockbuster
