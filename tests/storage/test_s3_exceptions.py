"""No exception of botocore, aiobotocore or aiohttp leaves the backend `s3`, whichever they define.

Every class that the libraries define is raised below every call. A release that adds a class fails here, and not on a
user's server.
"""

import asyncio
import sys
from datetime import timedelta
from importlib.metadata import entry_points
from types import SimpleNamespace

import pytest

from imges.storage import StorageError, StorageFull, StorageUnavailable
from imges.testing import read
from imges.testing.conformance import scanned
from tests.raised import classes_of, instance_of, name_of

(ENTRY,) = entry_points(group="imges.storages", name="s3")
S3Storage = ENTRY.load()
CLIENT = sys.modules["imges.backends.s3.client"]

NOT_RAISED = {
    "aiohttp._websocket.": "we open no web socket",
    "aiohttp.client_exceptions.WSMessageTypeError": "we open no web socket",
    "aiohttp.multipart.": "we read no multipart answer",
    "aiohttp.payload.LookupError": "we send bytes and asynchronous iterators, which aiohttp can send",
    "aiohttp.streams.EofStream": "aiohttp's readers use it among themselves",
    "aiohttp.web": "the server's half of aiohttp",
    "botocore.eventstream.": "only S3 Select answers by events",
    "botocore.exceptions.MissingServiceIdError": "botocore's description of S3 has an id",
    "botocore.exceptions.UndefinedModelAttributeError": "botocore's description of S3 is whole",
    "botocore.model.": "botocore's description of S3 is whole",
    "botocore.utils.BadIMDSRequestError": "botocore catches it while it looks for credentials",
    "botocore.utils._RetriesExceededError": "botocore catches it while it looks for credentials",
    "botocore.vendored.": "aiobotocore sends by aiohttp",
}
"""Beginnings of names of classes that no call of ours can meet, each with its reason."""

RAISED = [
    kind for kind in classes_of("aiobotocore", "aiohttp", "botocore") if not name_of(kind).startswith(tuple(NOT_RAISED))
]


class Raising:
    """A client of aiobotocore whose every request raises *error*; its bodies break off with it, if *in_body*."""

    def __init__(self):
        self.error: Exception = RuntimeError("not set")
        self.in_body = False

    def __getattr__(self, operation):
        async def request(*_, **__):
            if self.in_body:
                return {"Body": SimpleNamespace(read=self._read, close=lambda: None), "ETag": "x"}
            raise self.error

        return request

    async def _read(self, _):
        raise self.error


CALLS = {
    "put": lambda storage, file: storage.put("a.png", file, media_type="image/png"),
    "replace": lambda storage, file: storage.put("a.png", file, media_type="image/png", replace=True),
    "put-in-parts": lambda storage, file: storage.put("a.png", file, media_type="image/png", replace=True),
    "open": lambda storage, file: read(storage, "a.png"),
    "open-range": lambda storage, file: read(storage, "a.png", start=1, stop=2),
    "stat": lambda storage, file: storage.stat("a.png"),
    "delete": lambda storage, file: storage.delete("a.png"),
    "scan": lambda storage, file: scanned(storage),
    "sweep": lambda storage, file: storage.sweep(timedelta(0)),
    "url": lambda storage, file: storage.url("a.png"),
    "check": lambda storage, file: storage.check(),
}


@pytest.fixture
def raw(monkeypatch):
    monkeypatch.setattr(CLIENT, "WAITS", ())
    return Raising()


@pytest.fixture
def storage(raw):
    options = S3Storage.Options(bucket="bucket", endpoint_url="http://store.invalid", delivery="redirect")
    return S3Storage(options, CLIENT.Client(raw, "bucket", ""))


async def left(call):
    """The error that leaves *call*, if it is none of ours; `None` if it is."""
    (result,) = await asyncio.gather(call, return_exceptions=True)
    return None if isinstance(result, StorageUnavailable | StorageFull) else result or "nothing was raised"


def test_there_are_many():
    names = {name_of(kind) for kind in RAISED}
    assert len(names) > 120
    assert {"botocore.exceptions.ClientError", "botocore.parsers.ResponseParserError"} < names
    assert {"aiohttp.client_exceptions.ClientPayloadError", "aiohttp.http_exceptions.TransferEncodingError"} < names


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_no_exception_of_a_library_leaves_a_call(request, tmp_path, monkeypatch, raw, storage, call):
    file = tmp_path / "file"
    file.write_bytes(b"picture")
    if "put-in-parts" in request.node.name:
        monkeypatch.setattr(sys.modules["imges.backends.s3.upload"], "PARTED", 1)
    leaving = {}
    for kind in RAISED:
        raw.error = instance_of(kind)
        leaving[name_of(kind)] = await left(call(storage, file))
    assert {name: error for name, error in leaving.items() if error} == {}


async def test_no_exception_of_a_library_leaves_a_body(raw, storage):
    raw.in_body = True
    leaving = {}
    for kind in RAISED:
        raw.error = instance_of(kind)
        leaving[name_of(kind)] = await left(read(storage, "a.png"))
    assert {name: error for name, error in leaving.items() if error} == {}


async def test_no_exception_of_a_library_leaves_the_opening(monkeypatch):
    options = S3Storage.Options(bucket="bucket", access_key="x", secret_key="x")
    for kind in RAISED:
        error = instance_of(kind)

        async def failing(_, error=error):
            raise error

        monkeypatch.setattr(CLIENT, "_opened", failing)
        with pytest.raises(StorageError):
            await S3Storage.connect(options)
