"""`migrate` from disk to S3: beside uploads and deletions, and killed in the middle."""

import subprocess
import threading
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imges.catalog import Image
from imges.catalog.moves import Moves
from imges.errors import Gone
from imges.maintenance.migrate import Move, Moved, _Migration, migrate
from imges.storage import CHECK_PREFIX, StorageUnavailable
from tests import drawn
from tests.commands import environment, run
from tests.maintenance.collection import Library, Said, open_library
from tests.served import IMGES, Served, serving
from tests.servers import S3Server


def with_s3(server: S3Server, bucket: str) -> dict[str, str]:
    given = server.settings(bucket)
    return {f"STORAGES__CLOUD__{name.upper()}": value for name, value in given.items()}


@pytest.fixture
def bucket(seaweedfs: S3Server) -> str:
    return seaweedfs.new_bucket()


@pytest.fixture
async def library(tmp_path: Path, seaweedfs: S3Server, bucket: str) -> AsyncGenerator[Library]:
    async with open_library(tmp_path / "data", **with_s3(seaweedfs, bucket)) as library:
        yield library


def keys(server: S3Server, bucket: str) -> list[str]:
    """Returns the keys in the bucket, without those that a killed process leaves of its probe."""
    listed = server.client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return [entry["Key"] for entry in listed if not entry["Key"].startswith(CHECK_PREFIX)]


def objects(server: S3Server, bucket: str) -> dict[str, bytes]:
    return {key: server.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys(server, bucket)}


async def moved(library: Library, **options: Any) -> tuple[Moved, list[str]]:
    said = Said()
    context = replace(library.context, progress=said)
    result = await migrate(context, Move(to=library.pictures.places[options.pop("to", "cloud")], **options))
    return result, said.lines


async def served(library: Library, key: str) -> bytes:
    """Returns what a server with the same catalog would send."""
    found = await library.pictures.finding.locate(key)
    async with found.storage.open(found.key) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_all_pictures_are_moved_and_no_source_stays(library: Library, seaweedfs: S3Server, bucket: str):
    for n in range(12):
        await library.upload(drawn.jpeg(600 + n), f"{n}.jpg")
    before = {name: library.file(name).read_bytes() for name in library.files()}
    result, said = await moved(library)
    assert (result.pictures, result.failed, said) == (12, 0, [])
    assert result.size == sum(map(len, before.values()))
    assert objects(seaweedfs, bucket) == before
    assert library.files() == set()
    assert {name: await served(library, name) for name in before} == before
    findings, _ = await library.fsck(digests=True)
    assert (findings.left, findings.notes) == (0, {})
    assert (await moved(library))[0].pictures == 0


async def test_only_the_chosen_pictures_are_moved(library: Library, bucket: str):
    image = await library.upload(drawn.png(), "a.png")
    early = image.created.replace(microsecond=0)
    assert (await moved(library, before=early))[0].pictures == 0
    assert (await moved(library, source="cloud"))[0].pictures == 0
    assert (await moved(library, source="disk"))[0].pictures == 1


async def test_the_next_run_deletes_sources_that_were_kept(library: Library, seaweedfs: S3Server, bucket: str):
    await library.upload(drawn.png(), "a.png")
    before = library.files()
    assert (await moved(library, keep=True))[0].pictures == 1
    assert library.files() == before
    assert (await library.fsck())[0].left == 0
    result, _ = await moved(library)
    assert (result.pictures, result.cleaned) == (0, 2)
    assert library.files() == set()
    assert set(objects(seaweedfs, bucket)) == before


async def test_a_damaged_picture_stays_and_is_reported(library: Library, seaweedfs: S3Server, bucket: str):
    bad = await library.upload(drawn.jpeg(), "bad.jpg")
    await library.upload(drawn.jpeg(641), "good.jpg")
    file = library.file(bad.original.key)
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-1] + b"?")
    result, said = await moved(library)
    assert (result.pictures, result.failed) == (1, 1)
    assert "not what the catalog says" in said[0]
    assert bad.original.key not in keys(seaweedfs, bucket)
    assert file.exists()
    assert (await served(library, bad.original.key))[:-1] == content[:-1]


async def test_another_object_in_the_way_is_not_overwritten(library: Library, seaweedfs: S3Server, bucket: str):
    image = await library.upload(drawn.png(), "a.png")
    seaweedfs.client.put_object(Bucket=bucket, Key=image.original.key, Body=b"another's")
    result, said = await moved(library)
    assert (result.pictures, result.failed) == (0, 1)
    assert "another object" in said[0]
    assert objects(seaweedfs, bucket)[image.original.key] == b"another's"
    assert await library.is_sound(image)


@pytest.mark.parametrize("moment", ["before the row changes", "after the row has changed"])
async def test_a_picture_deleted_meanwhile_leaves_nothing(
    library: Library, seaweedfs: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, moment: str
):
    """The server that deletes it has looked it up before it was moved."""
    image = await library.upload(drawn.jpeg(), "a.jpg")
    record = Moves.record

    async def and_deleted(self: Moves, row: Image, place: str) -> bool:
        if moment.startswith("before"):
            await library.pictures.deleting.delete(image)
        done = await record(self, row, place)
        if moment.startswith("after"):
            await library.pictures.deleting.delete(image)
        return done

    monkeypatch.setattr(Moves, "record", and_deleted)
    await moved(library)
    assert library.files() == set()
    assert objects(seaweedfs, bucket) == {}
    with pytest.raises(Gone):
        await library.pictures.finding.by_id(image.id)


async def test_pictures_that_another_run_moves_meanwhile_are_no_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The run has read the rows, and then finds the sources gone."""
    attic = {"STORAGES__ATTIC__TYPE": "datefolder", "STORAGES__ATTIC__ROOT": str(tmp_path / "attic")}
    async with open_library(tmp_path / "data", **attic) as library:
        images = [await library.upload(drawn.png(8 + n), f"{n}.png") for n in range(3)]
        gone = await library.upload(drawn.png(20), "gone.png")
        library.file(gone.original.key).unlink()
        copy, others = _Migration._copy, []

        async def after_another(self: _Migration, *arguments: Any) -> Any:
            monkeypatch.setattr(_Migration, "_copy", copy)
            others.append(await moved(library, to="attic"))
            return await copy(self, *arguments)

        monkeypatch.setattr(_Migration, "_copy", after_another)
        result, said = await moved(library, to="attic", parallel=1)
        ((other, _),) = others
        assert (other.pictures, other.failed, result.pictures, result.failed) == (3, 1, 0, 1)
        assert [f"there is no object {gone.original.key}" in line for line in said] == [True]
        assert [await library.now(image) is not None for image in images] == [True] * 3
        assert all((tmp_path / "attic" / file.key).is_file() for image in images for file in image.files())


async def test_sources_that_clients_are_sent_to_are_deleted_last(
    tmp_path: Path, seaweedfs: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("imges.maintenance.migrate.LOOKUP_LIFE", 0)
    environ = with_s3(seaweedfs, bucket) | {"STORAGES__CLOUD__DELIVERY": "redirect", "STORAGE": "cloud"}
    there: list[int] = []
    async with open_library(tmp_path / "data", **environ) as library:
        for n in range(3):
            await library.upload(drawn.png(8 + n), f"{n}.png")
        record = Moves.record

        async def seen(self: Moves, row: Image, place: str) -> bool:
            there.append(len(keys(seaweedfs, bucket)))
            return await record(self, row, place)

        monkeypatch.setattr(Moves, "record", seen)
        result, _ = await moved(library, to="disk")
        assert (result.pictures, result.cleaned) == (3, 6)
        assert there == [6, 6, 6]
        assert keys(seaweedfs, bucket) == []


async def test_a_place_that_goes_on_failing_ends_the_run(library: Library, monkeypatch: pytest.MonkeyPatch):
    for n in range(30):
        await library.upload(drawn.png(8 + n), f"{n}.png")

    async def down(*_: object, **__: object) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(type(library.pictures.places["cloud"].storage), "put", down)
    with pytest.raises(StorageUnavailable):
        await moved(library)
    assert len(library.files()) == 60


async def test_the_bandwidth_is_limited(library: Library):
    image = await library.upload(drawn.encoded(drawn.noise(300, 300), "PNG"), "a.png")
    began = time.monotonic()
    await moved(library, bandwidth=image.stored_bytes)
    assert time.monotonic() - began > 0.9


# With a real server and real kills


def test_killed_and_run_again_while_pictures_are_uploaded_and_viewed(tmp_path: Path, seaweedfs: S3Server, bucket: str):
    environ = with_s3(seaweedfs, bucket)
    acknowledged: dict[str, bytes] = {}
    stop = threading.Event()

    def upload(served: Served) -> None:
        for seed in range(1_000):
            content = drawn.encoded(drawn.noise(60, 60, seed), "PNG")
            acknowledged[served.upload(content, f"{seed % 5}.png")["url"]] = content
            if stop.wait(0.05):
                return

    def view(served: Served) -> int:
        views = 0
        while not stop.is_set():
            for url, content in list(acknowledged.items()):
                assert served.get(url) == (200, content)
                views += 1
        return views

    with serving(tmp_path, **environ) as served, ThreadPoolExecutor(2) as clients:
        running = [clients.submit(upload, served), clients.submit(view, served)]
        try:
            for _ in range(3):
                killed_while_it_moves(tmp_path, seaweedfs, bucket, environ)
        finally:
            stop.set()
        running[0].result()
        assert running[1].result()
        finished = run(tmp_path, "migrate", "--to", "cloud", **environ)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        assert {url: served.get(url) for url in acknowledged} == {
            url: (200, content) for url, content in acknowledged.items()
        }
        images = tmp_path / "data/images"
        assert [file for file in images.rglob("*") if file.is_file() and ".staging" not in file.parts] == []
        originals = {url.partition("/images/")[2] for url in acknowledged}
        assert set(keys(seaweedfs, bucket)) == originals | {key.replace(".png", ".th.png") for key in originals}
        checked = run(tmp_path, "fsck", "--digests", **environ)
        assert (checked.returncode, checked.stdout) == (0, "nothing is wrong\n")


def killed_while_it_moves(folder: Path, server: S3Server, bucket: str, environ: dict[str, str]) -> None:
    def moved() -> int:
        return len(keys(server, bucket))

    before, deadline = moved(), time.monotonic() + 60
    migration = subprocess.Popen(
        [*IMGES, "migrate", "--to", "cloud", "--bandwidth", "50KB"], cwd=folder, env=environment(environ)
    )
    while moved() < before + 3 and migration.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    migration.kill()
    assert migration.wait() < 0, "it was over before it could be killed"


def test_a_dry_run_reports_what_would_be_moved(tmp_path: Path, seaweedfs: S3Server, bucket: str):
    environ = with_s3(seaweedfs, bucket)
    with serving(tmp_path, **environ) as served:
        served.upload(drawn.png())
        told = run(tmp_path, "migrate", "--to", "cloud", "--dry-run", **environ)
        assert (told.returncode, told.stdout[:9]) == (0, "1 picture")
        assert objects(seaweedfs, bucket) == {}
        assert run(tmp_path, "migrate", "--to", "elsewhere", **environ).returncode == 2
        assert run(tmp_path, "migrate", "--to", "disk", "--from", "disk", **environ).returncode == 2


def test_two_names_of_one_place_are_refused_and_nothing_is_lost(tmp_path: Path, seaweedfs: S3Server, bucket: str):
    """The copy would be deleted as the source. Settings compare folders; of a bucket only its storage knows."""
    with serving(tmp_path) as served:
        url = served.upload(drawn.png())["url"]
    local = {"STORAGES__LOCAL__TYPE": "datefolder", "STORAGES__LOCAL__ROOT": "data/images"}
    again = {name.replace("CLOUD", "AGAIN"): value for name, value in with_s3(seaweedfs, bucket).items()}
    environ = with_s3(seaweedfs, bucket) | again
    refused = run(tmp_path, "migrate", "--to", "local", **(environ | local))
    assert (refused.returncode, "have the same folder" in refused.stderr) == (2, True), refused.stderr
    assert run(tmp_path, "migrate", "--to", "cloud", "--from", "disk", **environ).returncode == 0
    refused = run(tmp_path, "migrate", "--to", "again", **environ)
    assert (refused.returncode, "one and the same place" in refused.stderr) == (2, True), refused.stderr
    with serving(tmp_path, **environ) as served:
        assert served.get(url) == (200, drawn.png())
