"""A real server on a socket, in this process so that a blocking call on its loop is seen."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
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

from imges.app import create_app
from imges.lock import held
from imges.service import Service
from imges.settings import load_settings
from imges.web.keys import SERVICE
from imges.web.listen import Site
from tests.web.described import DESCRIPTION

DEFAULTS = {
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
    service: Service
    key: str = "abc #def"

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        options.setdefault("allow_redirects", False)
        url = path if path.startswith("http") else self.base + path
        async with self.session.request(method, url, **options) as answer:
            body = await answer.read()
            DESCRIPTION.check(method, path, answer.status, answer.headers, body)
            return Answer(answer.status, answer.headers, body)

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

    def files(self) -> set[Path]:
        """Every file of pictures, staging and spool."""
        folders = (self.data_dir / "images", self.data_dir / "spool")
        return {file for folder in folders for file in folder.rglob("*") if file.is_file()}

    async def rows(self) -> int:
        """How many pictures the catalog has, whatever their state."""
        return await asyncio.to_thread(_count_rows, self.data_dir / "imges.db")


def _count_rows(database: Path) -> int:
    with closing(sqlite3.connect(database)) as db:
        return db.execute("SELECT count(*) FROM images").fetchone()[0]


@asynccontextmanager
async def running(data_dir: Path, **environ: str) -> AsyncGenerator[Server]:
    """A server with the defaults above, changed by settings in the form of the environment: `SITE__NAME="x"`."""
    given = {f"IMGES__{name}": value for name, value in (DEFAULTS | environ).items()}
    settings = load_settings(environ=given | {"IMGES__DATA_DIR": str(data_dir)})
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    with held(data_dir) as lock, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        app = create_app(settings, lock)
        runner = web.AppRunner(app, shutdown_timeout=5)
        try:
            await runner.setup()
            await Site(runner, bound).start()
            port = runner.addresses[0][1]
            async with aiohttp.ClientSession() as session:
                yield Server(f"http://127.0.0.1:{port}", data_dir, session, app[SERVICE])
        finally:
            await runner.cleanup()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def imges(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    """A server with default settings but no rate limits."""
    async with running(tmp_path_factory.mktemp("imges") / "data", URLS__ALLOW_PRIVATE="[127.0.0.1/32]") as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["vips", "pillow"])
async def each_imges(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Server]:
    """The same with each processor."""
    folder = tmp_path_factory.mktemp(request.param) / "data"
    async with running(folder, IMAGES__PROCESSOR=request.param) as server:
        yield server


Start = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def start(tmp_path: Path, loop_stays_free: BlockBuster) -> Start:
    """Start a server with other settings: `async with start(API__GUEST_UPLOADS="false") as server`."""

    @asynccontextmanager
    async def start(**environ: str) -> AsyncGenerator[Server]:
        loop_stays_free.deactivate()  # who starts or stops may block: nobody is being served
        async with running(tmp_path / "data", **environ) as server:
            loop_stays_free.activate()
            yield server
            loop_stays_free.deactivate()

    return start


@pytest.fixture(autouse=True)
def loop_stays_free() -> Iterator[BlockBuster]:
    """Fails a test in which our code blocks the loop with file, socket or database calls."""
    with blockbuster_ctx(["imges"]) as blockbuster:
        yield blockbuster
