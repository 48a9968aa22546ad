"""Faults between a whole server and its bucket: what uploads are answered, and what stays behind."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import pytest_asyncio

from tests import drawn
from tests.backing import S3Backing
from tests.faults import Fault, Way, http_error
from tests.servers import S3Server
from tests.web.conftest import Server, running

PICTURE = drawn.encoded(drawn.noise(700, 500), "PNG")
"""It has a medium, so that three objects are put; the original in a stream."""

CALLS = {
    "every-call": rb"",
    "first-put": rb"PUT /\S+\.md\.png",
    "second-put": rb"PUT /\S+\.th\.png",
    "last-put": rb"PUT /\S+/x\.png",
    "last-put-and-all-that-undoes": rb"PUT /\S+/x\.png|DELETE ",
}
FAULTS = {
    "hangs": Fault(up=0, then="hang"),
    "resets-the-request": Fault(up=100),
    "resets-the-answer": Fault(down=30),
    "hangs-in-the-answer": Fault(down=30, then="hang"),
    "slow-down": Fault(answer=http_error(503, "SlowDown")),
    "internal-error": Fault(answer=http_error(500, "InternalError")),
    "denied": Fault(answer=http_error(403, "AccessDenied")),
    "clock-skewed": Fault(answer=http_error(403, "RequestTimeTooSkewed")),
    "no-xml": Fault(answer=b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n<!html>oh"),
    "another-digest": Fault(answer=http_error(400, "BadDigest")),
    "full": Fault(answer=http_error(507, "InsufficientStorage")),
}


TOLD = 12.5
"""Seconds within which a client gets an answer: ten, and some for a busy machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def way(seaweedfs: S3Server) -> AsyncGenerator[Way]:
    async with Way.to(seaweedfs.port) as way:
        yield way


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def imges(tmp_path_factory: pytest.TempPathFactory, seaweedfs: S3Server, way: Way) -> AsyncGenerator[Server]:
    bucket = S3Backing.new(seaweedfs, endpoint_url=way.url)
    async with running(tmp_path_factory.mktemp("faults") / "data", bucket) as server:
        yield server


@contextmanager
def impatience() -> Generator[None]:
    """Gives a silent store up sooner, so that the tests take less time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("imges.backends.s3.client.SILENCE", 1.5)
        patched.setattr("imges.backends.s3.client.RETRYING", 3.0)
        yield


@pytest.mark.parametrize(
    ("call", "fault"),
    [(call, fault) for call in CALLS for fault in FAULTS if "last" in call or fault in {"hangs", "denied"}],
)
async def test_no_row_without_its_objects_and_no_object_without_its_row(imges: Server, way: Way, call: str, fault: str):
    objects, rows = imges.backing.objects(), await imges.rows()
    await way.break_by(replace(FAULTS[fault], on=CALLS[call]))
    with impatience():
        answer = await imges.upload(PICTURE, "x.png")
    assert way.befell
    assert answer.error == ((507, 507) if fault == "full" else (503, 500))
    await way.heal()
    stored = await imges.uploaded(PICTURE, "y.png")  # without a restart
    await imges.pictures.background.finish()
    await imges.pictures.sweeping.sweep()
    assert await imges.rows() == rows + 1
    assert len(imges.backing.objects() - objects) == 3
    assert (await imges.get(stored["url"])).body == PICTURE


async def test_a_silent_store_is_reported_within_ten_seconds(imges: Server, way: Way):
    image = await imges.uploaded(PICTURE)
    await way.break_by(FAULTS["hangs"])
    began = time.monotonic()
    calls = {
        "upload": lambda: imges.upload(PICTURE),
        "view": lambda: imges.get(image["url"]),
        "head": lambda: imges.request("HEAD", image["url"]),
        "delete": lambda: imges.post(image["delete_url"]),
        "readyz": lambda: imges.get("/readyz"),
    }
    answers = await asyncio.gather(*(call() for call in calls.values()))
    assert time.monotonic() - began < TOLD
    await way.heal()
    assert {name: answer.status for name, answer in zip(calls, answers, strict=True)} == dict.fromkeys(calls, 503)
