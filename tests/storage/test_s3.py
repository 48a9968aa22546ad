"""The backend `s3` on a real SeaweedFS: the suite of all backends, and what happens on the way to a store."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import aiohttp
import certifi
import pytest
import yarl
from aiohttp import web
from blockbuster import blockbuster_ctx

from imges.errors import SettingsError
from imges.storage import KeyExists, KeyMissing, StorageFull, StorageUnavailable
from imges.storage.places import open_places
from imges.testing import StorageConformance, open_place, read
from imges.testing.conformance import scanned
from tests.faults import CONTINUE, Fault, Way, http_error

KEY = "2014/06/04/example.png"
PNG = "image/png"
MB = 2**20
SMALL, LARGE, PARTED = b"picture", os.urandom(MB), os.urandom(17 * MB)
SIZES = {"small": SMALL, "large": LARGE, "in-parts": PARTED}


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory):
    """A file with one certificate. Reading all of them takes longer than most tests, and no test needs them."""
    file = tmp_path_factory.mktemp("certificates") / "one.pem"
    file.write_text(
        Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    )
    return str(file)


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch, one_certificate):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CA_BUNDLE", one_certificate)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


@pytest.fixture(autouse=True)
def loop_stays_free():
    with blockbuster_ctx(["imges.backends"]) as blocking:
        for call in ("os.stat", "io.TextIOWrapper.read"):  # the credentials file of the AWS chain, once at the start
            blocking.functions[call].can_block_in("botocore/configloader.py", "raw_config_parse")
        yield


@pytest.fixture(scope="module")
def shared_bucket(seaweedfs):
    return seaweedfs.new_bucket()


@pytest.fixture
def settings(seaweedfs, shared_bucket):
    """A place of its own, by a prefix."""
    return seaweedfs.settings(shared_bucket) | {"prefix": f"places/{secrets.token_hex(6)}"}


@contextmanager
def patience():
    """Longer time limits: a machine that stalls is no fault of the store."""
    with pytest.MonkeyPatch.context() as patched:
        for limit in ("BUDGET", "SILENCE", "RETRYING"):
            patched.setattr(f"imges.backends.s3.client.{limit}", 60)
        yield


class TestS3(StorageConformance):
    @pytest.fixture(autouse=True)
    def patient(self):
        with patience():
            yield

    @pytest.fixture
    def open_storage(self, settings):
        return partial(open_place, settings)


# What lies in the bucket


@pytest.fixture
def bucket(seaweedfs):
    """A bucket without prefix, for tests that look at all that is in it."""
    return seaweedfs.new_bucket()


@pytest.fixture
def s3(seaweedfs):
    return seaweedfs.client


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "picture"
    file.write_bytes(SMALL)
    return file


@pytest.fixture(params=SIZES.values(), ids=list(SIZES))
def content(request):
    return request.param


@pytest.fixture
def file(tmp_path, content):
    """A file that goes in one piece, in a stream, or in parts."""
    file = tmp_path / "file"
    file.write_bytes(content)
    return file


@pytest.fixture
async def storage(seaweedfs, bucket):
    async with open_place(seaweedfs.settings(bucket)) as storage:
        yield storage


def objects(s3, bucket):
    return {entry["Key"]: entry["Size"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", ())}


def unfinished(s3, bucket):
    return [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


async def test_an_object_has_its_type_and_is_cached_for_a_year(s3, bucket, storage, file, content):
    await storage.put(KEY, file, media_type=PNG)
    found = s3.get_object(Bucket=bucket, Key=KEY)
    assert found["Body"].read() == content
    assert (found["ContentType"], found["CacheControl"]) == (PNG, "public, max-age=31536000, immutable")
    stat = await storage.stat(KEY)
    assert (stat.media_type, stat.etag) == (PNG, found["ETag"].strip('"'))


async def test_what_expires_is_cached_no_longer_than_it_lives(s3, bucket, storage, file):
    expires = datetime(2040, 2, 29, 12, 30, 15, tzinfo=UTC)
    await storage.put(KEY, file, media_type=PNG, expires=expires)
    found = s3.head_object(Bucket=bucket, Key=KEY)
    assert (found["CacheControl"], found["ExpiresString"]) == ("public", "Wed, 29 Feb 2040 12:30:15 GMT")


@pytest.mark.parametrize("prefix", ["pictures", "pictures/", "/pictures"])
async def test_a_prefix_is_a_folder_of_the_bucket(seaweedfs, s3, bucket, storage, picture, prefix):
    await storage.put("outside.png", picture, media_type=PNG)
    await storage.put("pictures2/outside.png", picture, media_type=PNG)
    async with open_place(seaweedfs.settings(bucket) | {"prefix": prefix}) as inside:
        await inside.put(KEY, picture, media_type=PNG)
        assert await scanned(inside) == [KEY]
        await inside.check()
    assert objects(s3, bucket).keys() == {"outside.png", "pictures2/outside.png", f"pictures/{KEY}"}


async def test_a_key_too_long_with_its_prefix_is_refused(seaweedfs, bucket, picture):
    async with open_place(seaweedfs.settings(bucket) | {"prefix": "p" * 200}) as storage:
        for key, fits in {"/".join(["k" * 100] * 8): True, "/".join(["k" * 100] * 9): False}.items():
            if fits:
                await storage.put(key, picture, media_type=PNG)
            else:
                with pytest.raises(KeyMissing):
                    await storage.put(key, picture, media_type=PNG)


async def test_what_others_lay_into_the_bucket_is_no_object(s3, bucket, storage, picture):
    await storage.put(KEY, picture, media_type=PNG)
    for key in (".hidden", "2014/.hidden/x.png"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert await scanned(storage) == [KEY]


async def test_a_sweep_takes_what_is_old_and_ours(seaweedfs, s3, bucket, storage):
    for key in ("ours/left.png", "theirs/left.png"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    s3.put_object(Bucket=bucket, Key="ours/.claims/left/left", Body=b"")
    async with open_place(seaweedfs.settings(bucket) | {"prefix": "ours"}) as ours:
        await ours.sweep(timedelta(hours=1))
        assert (len(unfinished(s3, bucket)), len(objects(s3, bucket))) == (2, 1)
        await ours.sweep(timedelta(seconds=-5))  # the store's clock shows no fractions
    assert (unfinished(s3, bucket), objects(s3, bucket)) == (["theirs/left.png"], {})


async def test_a_deleted_bucket_is_unavailable_and_not_empty(s3, bucket, storage, picture):
    s3.delete_bucket(Bucket=bucket)
    for work in (storage.stat(KEY), read(storage, KEY), scanned(storage)):
        with pytest.raises(StorageUnavailable):
            await work


@pytest.fixture
def thorough(monkeypatch):
    """What a put did is taken back however long a busy machine takes, and not left to the sweep."""
    monkeypatch.setattr("imges.backends.s3.client.CLEANING", 20.0)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("after", [0, 0.01, 0.05, 0.15, 0.3])
async def test_a_cancelled_put_in_parts_leaves_all_or_nothing(s3, bucket, storage, tmp_path, after):
    file = tmp_path / "file"
    file.write_bytes(PARTED * 2)
    putting = asyncio.create_task(storage.put(KEY, file, media_type=PNG))
    await asyncio.sleep(after)
    putting.cancel()
    with suppress(asyncio.CancelledError):
        await putting
    assert unfinished(s3, bucket) == []
    assert objects(s3, bucket) in ({}, {KEY: len(PARTED) * 2})


async def test_nothing_blocks_the_loop_in_tasks_of_libraries_either(storage, file, content, monkeypatch):
    pread, readers = os.pread, set()  # BlockBuster does not see this one
    monkeypatch.setattr(os, "pread", lambda *given: readers.add(threading.current_thread()) or pread(*given))
    with blockbuster_ctx():
        await storage.put(KEY, file, media_type=PNG)
        assert await read(storage, KEY) == content
        await storage.check()
        await storage.delete(KEY)
        await storage.sweep(timedelta(hours=1))
    assert readers
    assert threading.main_thread() not in readers


MEMORY = """
import asyncio, json, resource, sys
from pathlib import Path
from imges.storage import open_storage

async def main():
    storage = await open_storage("tried", json.loads(sys.argv[1]))
    await storage.check()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await storage.put("large", Path(sys.argv[2]), media_type="image/png")
    size = 0
    async with storage.open("large") as chunks:
        async for chunk in chunks:
            size += len(chunk)
    print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    await storage.close()

asyncio.run(main())
"""


def test_memory_stays_flat_whatever_the_size(settings, tmp_path):
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(100 * MB)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, json.dumps(settings), file], capture_output=True, text=True, check=True
    )
    size, kilobytes = map(int, done.stdout.split())
    assert size == 100 * MB
    assert kilobytes < 16 * 1024


# Start


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"bucket": "nothing-there"}, "bucket: there is no such bucket at this store", id="no-bucket"),
        pytest.param({"bucket": "no/bucket"}, "bucket: no bucket can have this name", id="no-bucket-name"),
        pytest.param({"access_key": "other"}, "access_key: the store does not know this key", id="wrong-key"),
        pytest.param({"secret_key": "hush"}, "secret_key: it does not belong to the access key", id="wrong-secret"),
        pytest.param({"secret_key": None}, "secret_key: is missing; access_key and secret_key go", id="no-secret"),
        pytest.param({"access_key": None}, "access_key: is missing; access_key and secret_key go", id="no-key"),
        pytest.param({"access_key": None, "secret_key": None}, "access_key: there are no credentials", id="neither"),
        pytest.param({"endpoint_url": "localhost:9000"}, "endpoint_url: should be an address", id="no-scheme"),
        pytest.param({"endpoint_url": "http://x:y"}, "endpoint_url: should be an address", id="no-port"),
        pytest.param({"public_url": "cdn.example.com"}, "public_url: should be an address", id="no-public-scheme"),
        pytest.param({"public_url": "https://x"}, "public_url: is of use with delivery: public", id="no-use"),
        pytest.param({"prefix": "a/../b"}, "prefix: should be a folder", id="prefix"),
        pytest.param({"delivery": "pigeon"}, "delivery is 'pigeon': should be 'proxy', 'redirect' or", id="delivery"),
        pytest.param({"bukket": "x"}, "bukket: there is no such setting; did you mean storages.s3.bucket?", id="name"),
    ],
)
async def test_a_wrong_option_stops_the_start_and_is_named(settings, change, message):
    problem = await stopped_by(settings | change)
    assert problem.startswith(f"storages.s3.{message}")
    assert "hush" not in problem


async def stopped_by(given):
    """Returns the message of a start that fails with these settings."""
    with pytest.raises(SettingsError) as raised:
        async with open_places({"s3": given}, "s3"):
            pass
    return str(raised.value)


async def test_a_server_of_another_kind_stops_the_start(settings, aiohttp_server):
    server = await aiohttp_server(web.Application())
    problem = await stopped_by(settings | {"endpoint_url": str(server.make_url("/"))})
    assert problem.startswith("storages.s3.endpoint_url: what answers there does not speak S3")


async def test_a_server_that_speaks_no_tls_stops_the_start(settings):
    problem = await stopped_by(settings | {"endpoint_url": settings["endpoint_url"].replace("http:", "https:")})
    assert problem.startswith("storages.s3.endpoint_url: no secure connection")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://nowhere.invalid"])
async def test_an_address_where_nothing_answers_is_reported(settings, address):
    with pytest.raises(StorageUnavailable, match=r"^storages\.s3\.endpoint_url: nothing answers there"):
        async with open_places({"s3": settings | {"endpoint_url": address}}, "s3"):
            pass


async def test_credentials_come_from_the_aws_chain(seaweedfs, settings, monkeypatch):
    chained = settings | {"access_key": None, "secret_key": None}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    async with open_place(chained) as storage:
        await storage.check()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    assert (await stopped_by(chained)).startswith("storages.s3.secret_key: it does not belong")


async def test_virtual_addressing_puts_the_bucket_into_the_host(seaweedfs, bucket, picture, monkeypatch):
    monkeypatch.setenv("http_proxy", seaweedfs.url)  # the store itself, since no name server knows s3.test
    given = seaweedfs.settings(bucket) | {"endpoint_url": "http://s3.test", "addressing": "virtual"}
    async with open_place(given) as storage:
        await storage.put(KEY, picture, media_type=PNG)
        assert await read(storage, KEY) == SMALL
        assert await scanned(storage) == [KEY]
    async with open_place(given | {"delivery": "public"}) as storage:
        assert (await address_of(storage, KEY)).url == f"http://{bucket}.s3.test/{KEY}"


# Addresses

ODD = "2014/06/04/100% a+b ?&=#é😀.png"


async def address_of(storage, key, **about):
    address = await storage.url(key, **about)
    assert address is not None
    return address


async def fetched(url):
    async with aiohttp.ClientSession() as session, session.get(yarl.URL(url, encoded=True)) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_a_proxied_place_has_no_addresses(storage, picture):
    await storage.put(KEY, picture, media_type=PNG)
    assert await storage.url(KEY) is None


async def test_a_redirect_leads_to_the_object_for_ten_minutes(settings, picture):
    async with open_place(settings | {"delivery": "redirect"}) as storage:
        await storage.put(ODD, picture, media_type=PNG)
        address = await address_of(storage, ODD)
    assert address.lifetime == timedelta(minutes=10)
    assert "X-Amz-Expires=600" in address.url
    status, headers, body = await fetched(address.url)
    assert (status, headers["Content-Type"], body) == (200, PNG, SMALL)
    assert (await fetched(address.url.partition("?")[0]))[0] == 403


@pytest.mark.parametrize("delivery", ["redirect", "public"])
async def test_a_redirect_does_not_outlive_its_picture(settings, picture, delivery):
    now = datetime.now(UTC)
    async with open_place(settings | {"delivery": delivery}) as storage:
        soon = now + timedelta(minutes=3)
        if delivery == "public":
            assert await storage.url(KEY, expires=soon) is None, "who cuts off the signature has the address for good"
        else:
            address = await address_of(storage, KEY, expires=soon)
            assert address.lifetime
            assert timedelta(minutes=2) < address.lifetime <= timedelta(minutes=3)
            assert f"X-Amz-Expires={address.lifetime.seconds}&" in address.url
        assert await storage.url(KEY, expires=now - timedelta(seconds=1)) is None
        assert await storage.url(KEY, expires=now + timedelta(milliseconds=300)) is None


async def test_a_public_place_has_permanent_addresses(seaweedfs, s3, bucket, picture):
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    given = seaweedfs.settings(bucket) | {"delivery": "public", "prefix": "pictures"}
    async with open_place(given) as storage:
        await storage.put(ODD, picture, media_type=PNG)
        address = await address_of(storage, ODD)
    assert address.lifetime is None
    status, headers, body = await fetched(address.url)
    assert (status, headers["Content-Type"], body) == (200, PNG, SMALL)
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    async with open_place(given | {"public_url": "https://cdn.example.com/i/"}) as storage:
        assert (await address_of(storage, "a b.png")).url == "https://cdn.example.com/i/pictures/a%20b.png"


# Faults on the way

CALLS = {
    "put-small": lambda storage, files: storage.put("a/small", files["small"], media_type=PNG),
    "put-large": lambda storage, files: storage.put("a/large", files["large"], media_type=PNG),
    "put-in-parts": lambda storage, files: storage.put("a/in-parts", files["in-parts"], media_type=PNG),
    "replace": lambda storage, files: storage.put("there/old", files["large"], media_type=PNG, replace=True),
    "open": lambda storage, files: read(storage, "there/large"),
    "open-range": lambda storage, files: read(storage, "there/large", start=5, stop=5000),
    "stat": lambda storage, files: storage.stat("there/small"),
    "delete": lambda storage, files: storage.delete("there/unwanted"),
    "scan": lambda storage, files: scanned(storage, "there/"),
    "sweep": lambda storage, files: storage.sweep(timedelta(hours=1)),
    "check": lambda storage, files: storage.check(),
}
FAULTS = {
    "hangs": Fault(up=0, then="hang"),
    "resets-the-request": Fault(up=100),
    "resets-the-answer": Fault(down=20),
    "hangs-in-the-answer": Fault(down=40, then="hang"),
    "swallows-the-answer": Fault(down=0, then="hang"),
    "slow-down": Fault(answer=http_error(503, "SlowDown")),
    "internal-error": Fault(answer=http_error(500, "InternalError")),
    "denied": Fault(answer=http_error(403, "AccessDenied")),
    "clock-skewed": Fault(answer=http_error(403, "RequestTimeTooSkewed")),
    "no-xml": Fault(answer=b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n<!html>oh"),
    "no-http": Fault(answer=b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
}


@pytest.fixture
async def way(seaweedfs):
    async with Way.to(seaweedfs.port) as way:
        yield way


@pytest.fixture
async def far(seaweedfs, bucket, way):
    """A place that is reached by *way*."""
    async with open_place(seaweedfs.settings(bucket) | {"endpoint_url": way.url}) as far:
        yield far


@pytest.fixture
def soon_again(monkeypatch):
    """A request to a silent store is tried again sooner, so that tests take less time."""
    monkeypatch.setattr("imges.backends.s3.client.SILENCE", 1.5)


@contextmanager
def impatience():
    """Gives a silent store up sooner, too; a busy machine may look like one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("imges.backends.s3.client.SILENCE", 1.5)
        patched.setattr("imges.backends.s3.client.RETRYING", 3.0)
        yield


@pytest.fixture
def impatient():
    with impatience():
        yield


@pytest.fixture
def files(tmp_path):
    for name, content in SIZES.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in SIZES}


@pytest.fixture
async def stored(storage, far, files):
    """Objects that calls need; and it is known already that the store heeds conditions."""
    with patience():
        await _store(storage, far, files)


async def _store(storage, far, files):
    await far.check()
    for key, name in {"small": "small", "large": "large", "old": "small", "unwanted": "small"}.items():
        await storage.put(f"there/{key}", files[name], media_type=PNG)


TOLD = 12.5
"""Seconds within which a call has to end: ten, and some for a busy machine."""


async def outcomes(storage, files):
    """The outcome of each call, and whether it was late; all at once."""

    async def outcome(call):
        began = time.monotonic()
        try:
            await call(storage, files)
            result = "done"
        except StorageUnavailable:
            result = "unavailable"
        return result if time.monotonic() - began < TOLD else f"{result}, late"

    return dict(zip(CALLS, await asyncio.gather(*map(outcome, CALLS.values())), strict=True))


async def whole_objects(storage):
    """The keys below `a/`; of each, that it is whole."""
    keys = await scanned(storage, "a/")
    for key in keys:
        assert await read(storage, key) == SIZES[key.removeprefix("a/")]
    return keys


@pytest.mark.usefixtures("stored")
async def test_a_silent_store_is_reported_within_ten_seconds(way, far, files):
    await way.break_by(FAULTS["hangs"])
    assert await outcomes(far, files) == dict.fromkeys(CALLS, "unavailable")


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("fault", [*FAULTS, "refuses"])
async def test_a_fault_is_reported_leaves_nothing_half_and_passes(way, far, storage, files, fault):
    await (way.refuse() if fault == "refuses" else way.break_by(FAULTS[fault]))
    with impatience():
        assert await outcomes(far, files) == dict.fromkeys(CALLS, "unavailable")
    await way.heal()
    await far.sweep(timedelta(seconds=-5))  # parts whose taking back did not get through either
    for key in await whole_objects(storage):
        await storage.delete(key)
    assert await outcomes(far, files) == dict.fromkeys(CALLS, "done")
    assert await whole_objects(storage) == ["a/in-parts", "a/large", "a/small"]


@pytest.mark.usefixtures("stored", "soon_again")
@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in {"denied", "clock-skewed", "no-xml"}])
async def test_a_fault_that_passes_soon_is_not_noticed(s3, bucket, way, far, storage, files, fault):
    await way.break_by(FAULTS[fault], times=1)
    assert await outcomes(far, files) == dict.fromkeys(CALLS, "done")
    assert way.befell == 1
    assert await whole_objects(storage) == ["a/in-parts", "a/large", "a/small"]
    assert unfinished(s3, bucket) == []


@pytest.mark.usefixtures("stored")
async def test_a_slow_store_is_no_fault(way, far, files):
    await way.break_by(Fault(delay=0.1))
    assert await outcomes(far, files) == dict.fromkeys(CALLS, "done")


LOST = {
    "small": Fault(rb"PUT /\S+/a/small", down=0),
    "large": Fault(rb"PUT /\S+/a/large", down=CONTINUE + 1),
    "in-parts": Fault(rb"POST /\S+/a/in-parts\?uploadId=", down=0),
}


@pytest.mark.usefixtures("stored", "soon_again")
@pytest.mark.parametrize("then", ["reset", "hang"])
@pytest.mark.parametrize("name", SIZES)
async def test_a_success_whose_answer_is_lost_is_a_success(s3, bucket, way, far, storage, files, name, then):
    await way.break_by(replace(LOST[name], then=then), times=1)
    await far.put(f"a/{name}", files[name], media_type=PNG)
    assert way.befell == 1
    assert await whole_objects(storage) == [f"a/{name}"]
    assert unfinished(s3, bucket) == []


@pytest.mark.usefixtures("stored", "thorough")
@pytest.mark.parametrize("name", SIZES)
async def test_another_s_equal_object_is_not_taken_for_a_lost_success(s3, bucket, way, far, storage, files, name):
    await storage.put(f"a/{name}", files[name], media_type=PNG)
    before = s3.head_object(Bucket=bucket, Key=f"a/{name}")["Metadata"]
    await way.break_by(LOST[name], times=1)
    with pytest.raises(KeyExists):
        await far.put(f"a/{name}", files[name], media_type=PNG)
    assert s3.head_object(Bucket=bucket, Key=f"a/{name}")["Metadata"] == before
    assert unfinished(s3, bucket) == []


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("stop", [None, 900_000])
async def test_a_read_that_breaks_off_continues_where_it_broke(way, far, stop):
    await way.break_by(Fault(down=300_000))
    assert await read(far, "there/large", start=5, stop=stop) == LARGE[5:stop]
    assert way.befell > 3


@pytest.mark.usefixtures("stored")
async def test_a_read_does_not_continue_in_another_object(way, far, storage, files):
    await way.break_by(Fault(down=300_000))
    async with far.open("there/large") as chunks:
        await anext(chunks)
        await storage.put("there/large", files["small"], media_type=PNG, replace=True)
        with pytest.raises(StorageUnavailable):
            async for _ in chunks:
                pass


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("told", ["", "Content-Range: bytes 0-6/7\r\n"])
async def test_a_store_that_does_not_heed_ranges_gives_no_wrong_bytes(way, far, told):
    head = f'HTTP/1.1 200 OK\r\nETag: "x"\r\n{told}Content-Length: 7\r\nConnection: close\r\n\r\n'
    await way.break_by(Fault(answer=head.encode() + SMALL))
    assert await read(far, "there/small") == SMALL
    with pytest.raises(StorageUnavailable):
        await read(far, "there/small", start=3)


@pytest.mark.usefixtures("stored", "thorough")
async def test_a_put_that_fails_in_the_middle_takes_its_parts_back(s3, bucket, way, far, files):
    await way.break_by(Fault(rb"partNumber=2", up=100))
    with pytest.raises(StorageUnavailable):
        await far.put("a/in-parts", files["in-parts"], media_type=PNG)
    assert unfinished(s3, bucket) == []
    assert "a/in-parts" not in objects(s3, bucket)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    "full",
    [
        http_error(507, "InsufficientStorage"),
        http_error(507, "XMinioStorageFull"),
        http_error(403, "QuotaExceeded"),
        http_error(400, "XMinioAdminBucketQuotaExceeded"),
    ],
)
async def test_a_full_store_is_reported(way, far, files, full):
    await way.break_by(Fault(answer=full))
    for work in (CALLS["put-small"], CALLS["put-in-parts"], CALLS["check"]):
        with pytest.raises(StorageFull):
            await work(far, files)


@pytest.mark.usefixtures("stored")
async def test_a_request_that_cannot_succeed_is_not_retried(way, far):
    await way.break_by(FAULTS["denied"])
    with pytest.raises(StorageUnavailable):
        await read(far, "there/small")
    assert way.befell == 1


@pytest.mark.usefixtures("stored", "impatient")
@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (FAULTS["denied"], ".access_key: these credentials may not do this"),
        (FAULTS["clock-skewed"], ": the clocks of this machine and of the store differ too much"),
        (FAULTS["internal-error"], ": the store answers with 500 (InternalError)"),
        (FAULTS["hangs"], ".endpoint_url: nothing answers there"),
        (Fault(answer=http_error(404, "NoSuchBucket")), ".bucket: there is no such bucket"),
    ],
)
async def test_a_check_names_the_option_to_look_at_and_other_calls_only_log_it(way, far, files, fault, advice):
    await way.break_by(fault)
    with pytest.raises(StorageUnavailable) as raised:
        await far.check()
    assert raised.value.for_owner("far").startswith(f"storages.far{advice}")
    with pytest.raises(StorageUnavailable) as raised:
        await CALLS["put-small"](far, files)
    assert raised.value.message == "the storage is out of reach; try again in a moment"
    assert "put_object" in raised.value.__notes__[0]


async def test_a_region_that_is_not_the_bucket_s_stops_the_start(settings, way):
    await way.break_by(Fault(answer=http_error(400, "AuthorizationHeaderMalformed", "<Region>garage</Region>")))
    problem = await stopped_by(settings | {"endpoint_url": way.url})
    assert problem.startswith("storages.s3.region: the bucket is not in this region")


async def test_bodies_are_not_hashed_on_the_loop(way, far, files):
    await way.heal()
    await far.put(KEY, files["large"], media_type=PNG)
    assert b"\r\nx-amz-content-sha256: unsigned-payload\r\n" in bytes(way.sent).lower()
    assert b"x-amz-checksum" not in bytes(way.sent).lower()


# Stores that ignore conditional puts


@pytest.fixture
async def ignorant(open_seaweedfs, thorough):
    """Settings of a place at a store that never receives `If-None-Match`, and the way to it."""
    bucket = open_seaweedfs.new_bucket()
    async with Way.to(open_seaweedfs.port) as way:
        way.rewrite = (b"If-None-Match", b"Xx-None-Match")
        yield open_seaweedfs.settings(bucket) | {"endpoint_url": way.url}, way


class TestWithoutConditions:
    """The suite's tests of puts."""

    storage = StorageConformance.storage
    other = StorageConformance.other
    make_file = StorageConformance.make_file
    test_never_overwrites = StorageConformance.test_a_put_never_overwrites
    test_one_of_many_wins = StorageConformance.test_of_many_puts_of_one_key_one_wins
    test_many_keys_do_not_meet = StorageConformance.test_puts_of_many_keys_do_not_meet
    test_cancelled = StorageConformance.test_a_cancelled_put_leaves_all_or_nothing
    test_deleted_key_again = StorageConformance.test_the_storage_takes_a_deleted_key_again
    test_replaces = StorageConformance.test_replace_takes_the_place_of_the_old
    test_check = StorageConformance.test_a_check_passes_and_leaves_nothing

    @pytest.fixture
    def open_storage(self, ignorant):
        return partial(open_place, ignorant[0])


async def test_claims_are_used_and_logged_only_if_they_are_needed(settings, ignorant, picture, caplog):
    async with open_place(settings) as storage:
        await storage.put(KEY, picture, media_type=PNG)
    assert caplog.messages == []
    given, way = ignorant
    async with open_place(given) as storage:
        await storage.put(KEY, picture, media_type=PNG)
        await storage.put("other.png", picture, media_type=PNG)
    assert [message for message in caplog.messages if "If-None-Match" in message] == [
        "the S3 store ignores If-None-Match: new keys are claimed by objects (docs/storage.md)"
    ]
    assert b"/.claims/" in way.sent


@pytest.mark.parametrize("code", ["NotImplemented", "InvalidArgument"])
async def test_a_store_that_refuses_conditions_gets_claims(ignorant, picture, code):
    given, way = ignorant
    async with open_place(given) as storage:
        await way.break_by(Fault(rb"(?s)PUT .+None-Match: \*", answer=http_error(501, code)))
        await storage.put(KEY, picture, media_type=PNG)
        with pytest.raises(KeyExists):
            await storage.put(KEY, picture, media_type=PNG)


async def test_large_objects_are_not_overwritten_either(ignorant, files):
    given, _ = ignorant
    async with open_place(given) as storage:
        await storage.put(KEY, files["in-parts"], media_type=PNG)
        with pytest.raises(KeyExists):
            await storage.put(KEY, files["in-parts"], media_type=PNG)
        assert await read(storage, KEY) == PARTED
        assert await scanned(storage) == [KEY]


async def test_puts_of_many_nodes_win_once(ignorant, files):
    given, _ = ignorant
    async with AsyncExitStack() as opened:
        nodes = [await opened.enter_async_context(open_place(given)) for _ in range(4)]
        for node in nodes:
            await node.check()
        for turn in range(5):
            putting = (node.put(f"{turn}.png", files["small"], media_type=PNG) for node in nodes)
            done = await asyncio.gather(*putting, return_exceptions=True)
            assert sorted(type(result).__name__ for result in done) == ["KeyExists"] * 3 + ["NoneType"]


async def test_a_claim_that_a_crash_left_holds_its_key_until_the_sweep(open_seaweedfs, ignorant, picture):
    given, way = ignorant
    async with open_place(given) as storage:
        await storage.check()
        await way.break_by(Fault(rb"PUT /\S+/example.png|DELETE ", answer=http_error(403, "AccessDenied")))
        with pytest.raises(StorageUnavailable):
            await storage.put(KEY, picture, media_type=PNG)
        await way.heal()
        with pytest.raises(KeyExists):
            await storage.put(KEY, picture, media_type=PNG)
        assert await scanned(storage) == []
        await storage.sweep(timedelta(seconds=-5))
        await storage.put(KEY, picture, media_type=PNG)
    assert objects(open_seaweedfs.client, given["bucket"]) == {KEY: len(SMALL)}
