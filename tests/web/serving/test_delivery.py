"""How pictures of a bucket are delivered: as a stream, or by a redirect; and what happens when one is out of reach."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yarl

from imges.errors import CatalogUnavailable
from imges.storage import StorageUnavailable
from tests import drawn
from tests.backing import DiskBacking, S3Backing
from tests.faults import Fault, Way
from tests.servers import S3Server
from tests.web.conftest import Server, Start

PNG = drawn.png()
BIG = drawn.encoded(drawn.noise(700, 700), "PNG")
HTML = {"Accept": "text/html"}
OLD = format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)


def may_be_read_by_all(bucket: S3Backing) -> None:
    """Lets everybody read the objects, as in a public bucket, but not the list."""
    allow = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
        f'"Resource":"arn:aws:s3:::{bucket.bucket}/*"}}]}}'
    )
    bucket.server.client.put_bucket_policy(Bucket=bucket.bucket, Policy=allow)


@pytest.fixture(params=["redirect", "public"])
def sending(request: pytest.FixtureRequest, seaweedfs: S3Server) -> S3Backing:
    """A bucket that clients are sent to."""
    bucket = S3Backing.new(seaweedfs, delivery=request.param)
    if request.param == "public":
        may_be_read_by_all(bucket)
    return bucket


@pytest_asyncio.fixture(loop_scope="session")
async def imges(start: Start, sending: S3Backing) -> AsyncGenerator[Server]:
    async with start(sending) as server:
        yield server


async def followed(server: Server, url: str, **headers: str) -> tuple[int, bytes, str]:
    """What a browser comes to, and where: it repeats its headers at the address that it is sent to."""
    sent = await server.get(url, headers=headers)
    assert (sent.status, sent.body) == (302, b"")
    place = yarl.URL(sent.headers["Location"], encoded=True)
    async with aiohttp.ClientSession() as session, session.get(place, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers["Content-Type"]


async def test_clients_are_sent_to_the_bytes_for_less_than_the_address_holds(imges: Server, sending: S3Backing):
    image = await imges.uploaded(PNG, "ä b%.png")
    assert image["url"].startswith(f"{imges.base}/images/")
    sent = await imges.get(image["url"])
    assert sent.status == 302
    assert sent.headers["Location"].startswith(f"{sending.server.url}/{sending.bucket}/")
    signed = "X-Amz-Expires=600" in sent.headers["Location"]
    assert signed == (dict(sending.options)["delivery"] == "redirect")
    assert sent.headers["Cache-Control"] == f"public, max-age={300 if signed else 600}"
    assert sent.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" not in sent.headers, "or a later answer 304 would confirm the client's old redirect"
    assert await followed(imges, image["url"]) == (200, PNG, "image/png")


async def test_a_range_goes_along(imges: Server):
    url = (await imges.uploaded(BIG))["url"]
    assert (await followed(imges, url, Range="bytes=5-104"))[:2] == (206, BIG[5:105])


async def test_head_and_conditions_are_answered_here(imges: Server):
    image = await imges.uploaded(BIG)
    head = await imges.request("HEAD", image["url"])
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(BIG)))
    assert (head.headers["Content-Type"], head.headers["ETag"]) == ("image/png", f'"{image["md5"]}"')
    for headers, status in (
        ({"If-None-Match": head.headers["ETag"]}, 304),
        ({"If-None-Match": '"other"'}, 302),
        ({"If-Modified-Since": head.headers["Last-Modified"]}, 304),
        ({"If-Modified-Since": OLD}, 302),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": head.headers["ETag"]}, 302),
    ):
        answer = await imges.get(image["url"], headers=headers)
        assert (answer.status, answer.body) == (status, b""), headers


async def test_pages_allow_pictures_from_there_and_from_nowhere_else(imges: Server, sending: S3Backing):
    policy = (await imges.get("/", headers=HTML)).headers["Content-Security-Policy"]
    assert f"img-src 'self' blob: data: {sending.server.url};" in policy
    assert policy.count("http") == 1


async def test_what_expires_never_gets_a_permanent_address(imges: Server, sending: S3Backing):
    url = (await imges.uploaded(PNG, expiration="90"))["url"]
    answer = await imges.get(url)
    if dict(sending.options)["delivery"] == "public":
        assert (answer.status, answer.body) == (200, PNG)
    else:
        assert answer.status == 302
        assert 0 < int(answer.headers["Cache-Control"].partition("max-age=")[2]) <= 45


async def test_what_is_deleted_is_gone_at_once(imges: Server, sending: S3Backing):
    image = await imges.uploaded(PNG)
    assert (await imges.get(image["url"])).status == 302
    await imges.post(image["delete_url"])
    assert (await imges.get(image["url"])).status == 410
    assert sending.objects() == set()


async def test_a_redirect_leads_to_where_the_picture_is_now(imges: Server, sending: S3Backing):
    """Another process has just moved it to the disk: this process does not know it."""
    image = await imges.uploaded(PNG)
    assert (await imges.get(image["url"])).status == 302
    await moved_to_the_disk(imges, image, sending)
    answer = await imges.get(image["url"])
    assert (answer.status, answer.body) == (200, PNG)


async def moved_to_the_disk(imges: Server, image: dict[str, Any], bucket: S3Backing) -> None:
    row = await imges.pictures.finding.by_id(image["id_encoded"])
    disk = DiskBacking(imges.data_dir)
    for file in row.files():
        await asyncio.to_thread((imges.data_dir / "images" / file.key).parent.mkdir, parents=True, exist_ok=True)
        disk.write(file.key, bucket.read(file.key))
    assert await imges.pictures.catalog.moves.record(row, "disk")
    for file in row.files():
        bucket.remove(file.key)


# Streams


@pytest_asyncio.fixture(loop_scope="session")
async def way(seaweedfs: S3Server) -> AsyncGenerator[Way]:
    async with Way.to(seaweedfs.port) as way:
        yield way


@pytest.fixture
def far(seaweedfs: S3Server, way: Way) -> S3Backing:
    """A bucket that is reached by *way*."""
    return S3Backing.new(seaweedfs, endpoint_url=way.url)


async def test_pages_of_a_site_that_streams_allow_its_own_pictures_alone(start: Start, far: S3Backing):
    async with start(far) as imges:
        policy = (await imges.get("/", headers=HTML)).headers["Content-Security-Policy"]
        assert "img-src 'self' blob: data:;" in policy


async def test_a_moved_picture_is_looked_up_once_more(start: Start, far: S3Backing):
    async with start(far) as imges:
        image = await imges.uploaded(PNG)
        assert (await imges.get(image["url"])).body == PNG
        await moved_to_the_disk(imges, image, far)
        assert (await imges.get(image["url"])).body == PNG


async def test_a_stream_that_broke_off_is_not_a_whole_picture_to_the_client(start: Start, way: Way, far: S3Backing):
    """The store breaks every stream before it has moved: what was announced does not come, and no error page either."""
    async with start(far) as imges:
        url = (await imges.uploaded(BIG))["url"]
        await way.break_by(Fault(rb"GET \S+png.*", down=400_000, then="reset"), times=1)
        assert (await imges.get(url)).body == BIG, "it is taken up again"
        await way.break_by(Fault(rb"GET \S+png.*(?!bytes=)", down=400_000), times=1)
        far.remove(url.partition("/images/")[2])
        far.write(url.partition("/images/")[2], BIG[:-100])
        with pytest.raises(aiohttp.ClientError):
            await imges.get(url)
        assert (await imges.get("/healthz")).status == 200


async def test_unchanged_pictures_cost_the_store_nothing(start: Start, way: Way, far: S3Backing):
    async with start(far) as imges:
        image = await imges.uploaded(PNG)
        await way.refuse()
        answer = await imges.get(image["url"], headers={"If-None-Match": f'"{image["md5"]}"'})
        assert answer.status == 304
        assert (await imges.get(image["url"])).status == 503


# The catalog out of reach


async def test_without_catalog_each_place_is_asked(
    start: Start, way: Way, far: S3Backing, monkeypatch: pytest.MonkeyPatch
):
    async with start(far) as imges:
        image, kept = await imges.uploaded(PNG), await imges.uploaded(PNG, "moved.png")
        await moved_to_the_disk(imges, kept, far)

        async def out_of_reach(*_: object) -> None:
            raise CatalogUnavailable

        monkeypatch.setattr(imges.pictures.catalog.published, "by_key", out_of_reach)
        for url in (image["url"], kept["url"]):
            answer = await imges.get(url)
            assert (answer.status, answer.body, answer.headers["Cache-Control"]) == (200, PNG, "no-store")
        assert (await imges.get("/images/2014/06/04/none.png")).status == 404
        await way.refuse()
        assert (await imges.get(kept["url"])).body == PNG
        assert (await imges.get(image["url"])).status == 503, "nobody knows whether it is there"


# The start


def old_bucket(bucket: S3Backing) -> dict[str, str]:
    """Settings of a place `bucket` that new pictures do not go to."""
    return {name: value for name, value in bucket.environ().items() if name != "STORAGE"}


@pytest_asyncio.fixture(loop_scope="session")
async def without_old_place(
    start: Start, way: Way, far: S3Backing, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[tuple[Server, str]]:
    """A server whose place of old pictures was out of reach when it started; and the path of a picture there."""
    monkeypatch.setattr("imges.storage.late.RETRY", 0.1)
    async with start(far) as imges:
        old = await imges.uploaded(PNG)
    await way.refuse()
    async with start(DiskBacking(imges.data_dir), **old_bucket(far)) as imges:
        yield imges, "".join(old["url"].partition("/images/")[1:])


async def test_a_place_of_old_pictures_fails_alone_and_comes_back(without_old_place: tuple[Server, str], way: Way):
    imges, path = without_old_place
    new = await imges.uploaded(PNG)
    ready = await imges.get("/readyz")
    assert (ready.status, ready.json["ready"]) == (200, True)
    assert ready.json["failing"]["storage bucket"].startswith("storages.bucket.endpoint_url: nothing answers there")
    assert (await imges.get(new["url"])).body == PNG
    lost = await imges.get(path)
    assert (lost.status, "bucket" in lost.text) == (503, False)
    await way.heal()
    async with asyncio.timeout(20):
        while (await imges.get(path)).body != PNG:
            await asyncio.sleep(0.05)
    assert (await imges.get("/readyz")).json == {"ready": True}


async def test_no_page_waits_for_a_place_of_old_pictures(without_old_place: tuple[Server, str], way: Way):
    imges, picture = without_old_place
    await way.heal()
    await way.break_by(Fault(up=0, then="hang"))
    async with asyncio.timeout(20):
        while not way.befell:  # it is tried again, and what it does not answer takes eight seconds
            await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        for path in ("/", picture, "/nothing"):
            await imges.get(path, headers={"Accept": "text/html"})


async def test_the_place_of_new_pictures_stops_the_start(start: Start, way: Way, far: S3Backing):
    await way.refuse()
    with pytest.raises(StorageUnavailable, match=r"^storages\.bucket\.endpoint_url: nothing answers there"):
        async with start(far):
            pass


async def test_a_place_that_gives_back_other_bytes_stops_the_start(start: Start, way: Way, far: S3Backing):
    wrong = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 3\r\nConnection: close\r\n\r\nxxx'
    await way.break_by(Fault(rb"GET \S+imges-check-", answer=wrong))
    with pytest.raises(StorageUnavailable, match=r"^storages\.bucket: the storage does not give back what was stored"):
        async with start(far):
            pass
