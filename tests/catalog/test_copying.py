"""`imges catalog copy` and `upgrade`: everything arrives, or nothing."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from imges.catalog import ApiKey, Deed, NewAlbum, OldAddress, Scope, copy_catalog, open_catalog, schema, upgrade_catalog
from imges.catalog.copying import Tally
from imges.errors import CatalogDiffers, Gone, SettingsError
from tests.catalog.pictures import MINUTE, NOON, claim_abandoned, new_image, stored
from tests.catalog.suite import FULL, count, delete, images_table, published
from tests.catalog.test_migrations import DEFINITIONS, PRESENT, add_migration
from tests.servers import PostgresServer


def nothing(*_: Any) -> None:
    pass


async def fill(url: str) -> None:
    """Make a catalog with rows of every kind, its highest number deleted. No server uses it."""
    async with open_catalog(url, lambda: NOON) as catalog:
        await catalog.keys.ensure_guest(b"hash of guest", 10_000_000)
        await catalog.secret("id_key", lambda: b"\x00\xff secret")
        await catalog.keys.add(
            ApiKey("ann", Scope.ADMIN, NOON, expires=NOON + MINUTE, quota_pictures=7), b"hash of ann"
        )
        await catalog.blocks.add("192.0.2.0/24")
        await catalog.trail.add("ann", Deed.BLOCK, "192.0.2.0/24", 1)
        await catalog.trail.add("ann", Deed.SIGN_OUT)
        await catalog.ended_sessions.end(b"hash of a session")
        lease = await catalog.leases.take(MINUTE)
        upload_id = catalog.upload_ids.new("guest", "an id of the client", "00" * 16, NOON)
        full = await catalog.images.reserve(FULL, lease=lease, upload_id=upload_id)
        await catalog.images.publish(full, lease=lease)
        await catalog.old_addresses.add(full.number, [OldAddress("/u/full.png")])
        for i in range(7):
            await published(catalog, lease, new_image(f"{i}", api_key="ann", medium=None if i % 2 else stored(f"m{i}")))
        album = await catalog.albums.make(NewAlbum("album", "ann", "Holiday", NOON, password=b"hash"))
        await catalog.images.reserve(new_image("pending", album=album.number), lease=lease)
        last = await published(catalog, lease, new_image("deleted"))
        await delete(catalog, last.number)
        await catalog.leases.give_back(lease)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'imges.db'}"


async def test_everything_arrives_and_goes_back(file: str, tmp_path: Path, postgres: PostgresServer, monkeypatch: Any):
    monkeypatch.setattr("imges.catalog.copying.PAGE", 3)
    await fill(file)
    url = await asyncio.to_thread(postgres.new_database)
    copied = await copy_catalog(file, url, nothing, nothing)
    assert copied == {
        "images": 9,
        "files": 24,
        "albums": 1,
        "album_pictures": 1,
        "unique_keys": 41,
        "upload_ids": 1,
        "old_addresses": 1,
        "api_keys": 2,
        "blocks": 1,
        "trail": 2,
        "ended_sessions": 1,
        "secrets": 2,
    }
    async with open_catalog(file) as before, open_catalog(url) as after:
        images = [image async for image in before.published.each()]
        assert len(images) == 8
        assert [image async for image in after.published.each()] == images
        assert await after.keys.all() == await before.keys.all()
        assert await after.blocks.all() == await before.blocks.all()
        assert await after.trail.page(before=None, limit=9) == await before.trail.page(before=None, limit=9)
        assert await after.ended_sessions.has_ended(b"hash of a session", b"hash of ann", NOON)
        assert await after.albums.by_id("album", NOON) == await before.albums.by_id("album", NOON)
        assert await after.secret("id_key", lambda: b"another") == b"\x00\xff secret"
        earlier = await before.upload_ids.find("guest", "an id of the client")
        assert earlier is not None
        assert await after.upload_ids.find("guest", "an id of the client") == earlier
        for image in images:
            assert await after.published.by_key(image.thumb.key, NOON) == image
        with pytest.raises(Gone):
            await after.published.by_id("id-deleted", NOON)
        lease = await after.leases.take(MINUTE)
        assert (await published(after, lease, new_image("new"))).number > max(image.number for image in images) + 2
        (pending,) = await claim_abandoned(after, lease=lease, now=NOON, limit=10)
        assert pending.id == "id-pending"
        await after.leases.give_back(lease)

    back = f"sqlite:///{tmp_path / 'back.db'}"
    assert (await copy_catalog(url, back, nothing, nothing))["images"] == 10
    async with open_catalog(back) as again:
        assert await again.published.by_id(images[0].id, NOON) == images[0]
        lease = await again.leases.take(MINUTE)
        assert (await published(again, lease, new_image("newer"))).number > 11


async def test_a_target_that_is_not_empty_is_refused_and_left_alone(file: str, postgres: PostgresServer):
    await fill(file)
    url = await asyncio.to_thread(postgres.new_database)
    async with open_catalog(url) as catalog:
        await catalog.keys.ensure_guest(b"another", None)
    with pytest.raises(SettingsError, match="empty database"):
        await copy_catalog(file, url, nothing, nothing)
    async with open_catalog(url) as catalog:
        assert await catalog.keys.by_hash(b"another")
        assert await count(catalog, images_table) == 0


async def test_a_source_that_changes_or_a_row_that_differs_ends_the_copy_and_leaves_nothing(
    file: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    await fill(file)
    url = await asyncio.to_thread(postgres.new_database)
    stages: list[str] = []

    async def add_one() -> None:
        async with open_catalog(file) as catalog:
            await catalog.images.reserve(new_image("meanwhile"), lease="x")

    def meanwhile(stage: str, _: int) -> None:
        stages.append(stage)
        if stage == "comparing images":
            adding = Thread(target=lambda: asyncio.run(add_one()))
            adding.start()
            adding.join()  # before the first row is compared

    with pytest.raises(CatalogDiffers, match="images: 10 rows here, 9 there"):
        await copy_catalog(file, url, meanwhile, nothing)
    stages.clear()

    real, changed = Tally.add, [False]

    def add(tally: Tally, rows: Any) -> None:
        if stages[-1] == "comparing secrets" and not changed[0]:
            changed[0] = True
            rows = [(name, value[::-1]) for name, value in rows]
        real(tally, rows)

    monkeypatch.setattr(Tally, "add", add)
    with pytest.raises(CatalogDiffers, match="secrets"):
        await copy_catalog(file, url, lambda stage, _: stages.append(stage), nothing)
    monkeypatch.undo()
    assert (
        await asyncio.to_thread(postgres.run, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", url) == []
    )
    assert (await copy_catalog(file, url, nothing, nothing))["images"] == 10


async def test_a_catalog_in_use_is_not_copied(file: str, tmp_path: Path):
    async with open_catalog(file) as catalog:
        await catalog.leases.take(MINUTE)
        with pytest.raises(SettingsError, match="stop all"):
            await copy_catalog(file, f"sqlite:///{tmp_path / 'to.db'}", nothing, nothing)


# The commands


Imges = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def imges(tmp_path: Path) -> Imges:
    def imges(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        env = os.environ | {f"IMGES__{name}": value for name, value in environ.items()}
        command = [sys.executable, "-m", "imges", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)

    return imges


def test_the_commands_print_what_they_did(tmp_path: Path, postgres: PostgresServer, imges: Imges):
    (tmp_path / "data").mkdir()
    asyncio.run(fill(f"sqlite:///{tmp_path}/data/imges.db"))
    url = postgres.new_database()
    copied = imges("catalog", "copy", "--to", url)
    assert (copied.returncode, copied.stderr) == (0, "")
    assert "images: 9 rows copied and compared" in copied.stdout
    again = imges("catalog", "copy", "--to", url)
    assert again.returncode == 2
    assert "empty" in again.stderr
    assert imges("catalog", "copy", "--to", "postgresql://u:secret@127.0.0.1:1/x").returncode == 1
    assert imges("catalog", "copy").returncode == 2
    keys = imges("keys", "list", CATALOG__URL=url)
    assert "ann" in keys.stdout
    upgraded = imges("catalog", "upgrade", CATALOG__URL=url)
    assert (upgraded.returncode, upgraded.stdout) == (0, f"the catalog is up to date (schema {schema.HEAD})\n")


async def test_a_postgresql_catalog_that_is_behind_waits_for_the_operator(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    url = await asyncio.to_thread(postgres.new_database)
    async with open_catalog(url) as running:
        await running.keys.ensure_guest(b"hash of guest", None)
        lease = await running.leases.take(MINUTE)
        image = await published(running, lease, new_image())
        monkeypatch.setattr(schema, "MIGRATIONS", add_migration(tmp_path / "migrations"))
        monkeypatch.setattr(schema, "HEAD", "9999")
        with pytest.raises(SettingsError, match="imges catalog upgrade"):
            async with open_catalog(url):
                pass
        assert await upgrade_catalog(url) == (PRESENT, "9999")
        assert await upgrade_catalog(url) == ("9999", "9999")
        async with open_catalog(url) as newer:
            assert await newer.published.by_id(image.id, NOON) == image
        assert await running.published.by_id(image.id, NOON) == image  # the program of before goes on
        assert await published(running, lease, new_image("later"))
    monkeypatch.undo()
    async with open_catalog(url) as older:
        assert await older.published.by_id(image.id, NOON) == image


async def test_a_migration_that_fails_changes_nothing_in_postgresql(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    url = await asyncio.to_thread(postgres.new_database)
    async with open_catalog(url):
        pass
    broken = add_migration(tmp_path / "migrations", then="raise RuntimeError('half way')")
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    monkeypatch.setattr(schema, "HEAD", "9999")
    with pytest.raises(RuntimeError, match="half way"):
        await upgrade_catalog(url)
    monkeypatch.undo()
    async with open_catalog(url):
        pass


async def test_a_fresh_catalog_and_a_migrated_one_are_the_same_in_postgresql(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    fresh = await asyncio.to_thread(postgres.new_database)
    async with open_catalog(fresh):
        pass
    monkeypatch.setattr(schema, "create", schema.upgrade)
    migrated = await asyncio.to_thread(postgres.new_database)
    async with open_catalog(migrated):
        pass
    for what in DEFINITIONS:
        assert await asyncio.to_thread(postgres.run, what, fresh) == await asyncio.to_thread(
            postgres.run, what, migrated
        )
