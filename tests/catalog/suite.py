"""What every catalog does, over SQLite and over PostgreSQL. A subclass has the fixture `url` of an empty one."""

import asyncio
import hashlib
import signal
import sys
from base64 import urlsafe_b64decode
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from sqlalchemy import func, select

from imges.catalog import (
    GUEST,
    ApiKey,
    ApiKeyNameTaken,
    Catalog,
    Cursor,
    Deed,
    GuestStays,
    Image,
    KeyTaken,
    NewImage,
    NoSuchApiKey,
    OldAddress,
    PlaceUse,
    RowClaimed,
    Scope,
    Search,
    Shows,
    State,
    UploadIdTaken,
    block_text,
    open_catalog,
)
from imges.catalog.tables import files, unique_keys, upload_ids
from imges.catalog.tables import images as images_table
from imges.catalog.upload_ids import Earlier
from imges.errors import Gone, KeyUnusable, KeyWrong, NotFound, QuotaUsedUp, SettingsError
from tests.catalog.albums import AlbumSuite
from tests.catalog.pictures import MINUTE, NOON, Clock, claim_abandoned, delete, keys_of, new_image, published, stored

OpenCatalog = Callable[[], AbstractAsyncContextManager[Catalog]]

REPOSITORY = Path(__file__).parents[2]

FULL = new_image(
    "full",
    title="Ein Titel",
    description="日本語 \U0001f4f7",
    tags=("one", "two, three"),
    nsfw=True,
    exif={"Make": "Canon", "ISO": "100"},
    expires=NOON + MINUTE,
    address="2001:db8::7",
    frames=12,
)


async def state_of(catalog: Catalog, number: int) -> str | None:
    """Return the state of the row, `None` if there is no row."""
    statement = select(images_table.c.state).where(images_table.c.number == number)
    return await catalog._database.read(lambda connection: connection.scalar(statement))


async def count(catalog: Catalog, table: Any) -> int:
    statement = select(func.count()).select_from(table)
    return await catalog._database.read(lambda connection: connection.execute(statement).scalar_one())


async def guest(catalog: Catalog) -> ApiKey:
    return next(key for key in await catalog.keys.all() if key.name == GUEST)


class CatalogSuite(AlbumSuite):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def open_catalog_at(self, url: str, clock: Clock) -> OpenCatalog:
        """Opens the catalog of the test. It may be open several times."""
        return partial(open_catalog, url, clock)

    @pytest.fixture
    async def catalog(self, open_catalog_at: OpenCatalog) -> AsyncGenerator[Catalog]:
        async with open_catalog_at() as catalog:
            await catalog.keys.ensure_guest(b"hash of guest", None)
            yield catalog

    @pytest.fixture
    async def other(self, open_catalog_at: OpenCatalog, catalog: Catalog) -> AsyncGenerator[Catalog]:
        """A second opening of the same catalog."""
        async with open_catalog_at() as other:
            yield other

    @pytest.fixture
    async def lease(self, catalog: Catalog) -> str:
        return await catalog.leases.take(MINUTE)

    # Upload

    @pytest.mark.parametrize(
        "new",
        [
            pytest.param(new_image(), id="plain"),
            pytest.param(FULL, id="everything"),
            pytest.param(new_image("small", medium=None, address=None), id="no-medium"),
            pytest.param(new_image(thumb=replace(stored("2014/06/04/t.webp"), crc32=2**32 - 1)), id="another-format"),
        ],
    )
    async def test_what_was_reserved_is_what_is_found(self, catalog: Catalog, lease: str, new: NewImage):
        row = await catalog.images.reserve(new, lease=lease)
        assert await catalog.images.publish(row, lease=lease) == replace(row, state=State.PUBLISHED)
        found = await catalog.published.by_id(row.id, NOON)
        assert found == replace(row, state=State.PUBLISHED)
        for name in NewImage.__dataclass_fields__.keys() - {"album"}:  # albums have rows of their own
            assert getattr(found, name) == getattr(new, name)

    async def test_a_picture_is_found_under_its_id_and_all_three_keys(self, catalog: Catalog, lease: str):
        image = await published(catalog, lease, new_image())
        for key in keys_of(new_image()):
            assert await catalog.published.by_key(key, NOON) == image

    async def test_the_rows_of_its_files_go_with_a_picture(self, catalog: Catalog, lease: str):
        stays = await published(catalog, lease, new_image("stays", medium=None))
        withdrawn = await catalog.images.reserve(new_image("withdrawn"), lease=lease)
        await catalog.images.withdraw(withdrawn.number, lease=lease)
        await catalog.images.forget(withdrawn.number)
        await delete(catalog, (await published(catalog, lease, new_image("deleted"))).number)
        assert await count(catalog, files) == 2
        assert (await catalog.published.by_id(stays.id, NOON)).files() == [stays.original, stays.thumb]

    async def test_a_key_that_is_only_reserved_leads_to_the_picture_without_a_file(self, catalog: Catalog, lease: str):
        await published(catalog, lease, new_image(medium=None))
        image = await catalog.published.by_key(new_image().medium_key, NOON)
        assert image.file(new_image().medium_key) is None

    async def test_a_pending_picture_is_not_found(self, catalog: Catalog, lease: str):
        row = await catalog.images.reserve(new_image(), lease=lease)
        with pytest.raises(NotFound):
            await catalog.published.by_id(row.id, NOON)
        with pytest.raises(NotFound):
            await catalog.published.by_key(row.original.key, NOON)
        await catalog.images.withdraw(row.number, lease=lease)
        with pytest.raises(NotFound):
            await catalog.published.by_id(row.id, NOON)

    @pytest.mark.parametrize("address", ["", "a" * 10_000, "'; --", "nul\0", "\ud800", "../../etc/passwd"])
    async def test_odd_addresses_are_not_found(self, catalog: Catalog, address: str):
        with pytest.raises(NotFound):
            await catalog.published.by_id(address, NOON)
        with pytest.raises(NotFound):
            await catalog.published.by_key(address, NOON)

    async def test_an_id_is_not_an_object_key(self, catalog: Catalog, lease: str):
        image = await published(catalog, lease, new_image())
        with pytest.raises(NotFound):
            await catalog.published.by_id(image.original.key, NOON)
        with pytest.raises(NotFound):
            await catalog.published.by_key(image.id, NOON)

    async def test_a_published_picture_stays_when_the_catalog_is_closed(
        self, catalog: Catalog, lease: str, open_catalog_at: OpenCatalog
    ):
        image = await published(catalog, lease, new_image())
        async with open_catalog_at() as again:
            assert await again.published.by_key(image.original.key, NOON) == image

    # States

    @pytest.mark.parametrize("state", ["pending", "published", "deleting", "withdrawing", "tombstone", "forgotten"])
    @pytest.mark.parametrize(
        ("action", "leads"),
        [
            ("publish", {"pending": "published"}),
            ("withdraw", {"pending": "withdrawing", "withdrawing": "withdrawing"}),
            ("forget", {"withdrawing": None}),
            ("begin", {"published": "deleting"}),
            ("finish", {"deleting": None}),
        ],
    )
    async def test_a_state_changes_only_from_the_one_before(
        self, catalog: Catalog, lease: str, state: str, action: str, leads: dict[str, str | None]
    ):
        row = await catalog.images.reserve(new_image(), lease=lease)
        number = row.number
        if state in {"published", "deleting", "tombstone"}:
            await catalog.images.publish(row, lease=lease)
        if state in {"deleting", "tombstone"}:
            await catalog.deletions.begin(number)
        if state in {"withdrawing", "forgotten"}:
            await catalog.images.withdraw(number, lease=lease)
        if state == "tombstone":
            await catalog.deletions.finish(number)
        if state == "forgotten":
            await catalog.images.forget(number)
        before = await state_of(catalog, number)
        keys_before = await count(catalog, unique_keys)

        arguments = {"lease": lease} if action in {"publish", "withdraw"} else {}
        try:
            part = catalog.deletions if action in {"begin", "finish"} else catalog.images
            said = await getattr(part, action)(row if action == "publish" else number, **arguments)
        except RowClaimed:
            said = False

        allowed = state in leads
        assert await state_of(catalog, number) == (leads[state] if allowed else before)
        assert await count(catalog, unique_keys) == (0 if allowed and action == "forget" else keys_before)
        if action not in {"forget", "finish"}:
            assert bool(said) == allowed

    @pytest.mark.parametrize("action", ["publish", "withdraw"])
    async def test_a_row_of_another_lease_is_left_alone(self, catalog: Catalog, lease: str, action: str):
        row = await catalog.images.reserve(new_image(), lease=lease)
        mine = await catalog.leases.take(MINUTE)
        try:
            assert not await getattr(catalog.images, action)(row if action == "publish" else row.number, lease=mine)
        except RowClaimed:
            assert action == "publish"
        assert await state_of(catalog, row.number) == "pending"

    async def test_a_reservation_that_is_cancelled_leaves_nothing(self, catalog: Catalog, lease: str):
        for turns in range(4):
            task = asyncio.create_task(catalog.images.reserve(new_image(), lease=lease))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await guest(catalog)).pictures == 0
            assert await count(catalog, images_table) == await count(catalog, unique_keys) == 0

    # Unique keys

    @pytest.mark.parametrize(
        ("second", "kind"),
        [
            pytest.param(new_image("b", id="id-a"), "id", id="id"),
            pytest.param(new_image("b", original=stored("2014/06/04/a.png")), "object key", id="original"),
            pytest.param(new_image("b", thumb=stored("2014/06/04/a.th.png")), "object key", id="thumb"),
            pytest.param(new_image("b", medium=None, medium_key="2014/06/04/a.md.png"), "object key", id="medium"),
            pytest.param(new_image("b", original=stored("2014/06/04/a.th.png")), "object key", id="another's-thumb"),
        ],
    )
    @pytest.mark.parametrize("first_is", ["pending", "published", "deleted"])
    async def test_a_taken_key_is_refused_and_leaves_nothing(
        self, catalog: Catalog, lease: str, second: NewImage, kind: str, first_is: str
    ):
        first = await catalog.images.reserve(new_image("a"), lease=lease)
        if first_is != "pending":
            await catalog.images.publish(first, lease=lease)
        if first_is == "deleted":
            await delete(catalog, first.number)
        before = (await count(catalog, images_table), await count(catalog, unique_keys), await guest(catalog))
        with pytest.raises(KeyTaken) as caught:
            await catalog.images.reserve(second, lease=lease)
        assert caught.value.kind == kind
        assert before == (await count(catalog, images_table), await count(catalog, unique_keys), await guest(catalog))

    async def test_only_hashes_of_a_deleted_picture_stay(self, catalog: Catalog, lease: str):
        image = await published(catalog, lease, new_image())
        await delete(catalog, image.number)
        assert await count(catalog, images_table) == 0
        statement = select(unique_keys)
        rows = await catalog._database.read(lambda connection: connection.execute(statement).all())
        assert [row.image for row in rows] == [None] * 4
        assert {len(row.hash) for row in rows} == {16}

    async def test_two_catalogs_hash_differently(self, catalog: Catalog):
        assert catalog.images._hashes.of("id", "a") != type(catalog.images._hashes)(b"another secret").of("id", "a")

    async def test_another_picture_can_have_a_withdrawn_name(self, catalog: Catalog, lease: str):
        row = await catalog.images.reserve(new_image(), lease=lease)
        await catalog.images.withdraw(row.number, lease=lease)
        with pytest.raises(KeyTaken):
            await catalog.images.reserve(new_image(), lease=lease)
        await catalog.images.forget(row.number)
        assert await published(catalog, lease, new_image())

    async def test_one_of_40_reservations_of_a_name_succeeds(self, catalog: Catalog, other: Catalog, lease: str):
        wanting = [
            place.images.reserve(new_image(id=f"id-{i}-{n}"), lease=lease)
            for i in range(20)
            for n, place in enumerate((catalog, other))
        ]
        answers = await asyncio.gather(*wanting, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["Image", *["KeyTaken"] * 39]
        assert (await guest(catalog)).pictures == 1

    async def test_two_processes_share_40_names_and_neither_fails_on_a_lock(self, catalog: Catalog, url: str):
        fighters = await asyncio.gather(*(self.process(url, "fight") for _ in range(2)))
        ends = await asyncio.gather(*(fighter.communicate() for fighter in fighters))
        assert [(fighter.returncode, stderr) for fighter, (_, stderr) in zip(fighters, ends, strict=True)] == [
            (0, b"")
        ] * 2
        won = [name for stdout, _ in ends for name in stdout.decode().split()]
        assert sorted(won) == sorted(f"picture-{i}" for i in range(40))
        assert (await guest(catalog)).pictures == 40

    async def process(self, url: str, task: str) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "tests.catalog.process", url, task]
        return await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=PIPE, stderr=PIPE)

    # Upload ids

    async def test_an_upload_id_leads_to_its_picture_and_its_delete_token(
        self, catalog: Catalog, other: Catalog, lease: str
    ):
        taken = catalog.upload_ids.new("guest", "client's id", "0a" * 16, NOON)
        new = new_image(delete_token_hash=hashlib.sha256(taken.delete_token.encode()).digest())
        row = await catalog.images.reserve(new, lease=lease, upload_id=taken)
        earlier = Earlier("0a" * 16, taken.delete_token, (), row)
        assert await other.upload_ids.find("guest", "client's id") == earlier
        image = await catalog.images.publish(row, lease=lease)
        assert await other.upload_ids.find("guest", "client's id") == replace(earlier, image=image)
        assert await other.upload_ids.find("ann", "client's id") is None, "each API key has its own ids"
        assert await other.upload_ids.find("guest", "another id") is None

    async def test_neither_an_upload_id_nor_its_delete_token_is_stored(self, catalog: Catalog, lease: str):
        taken = catalog.upload_ids.new("guest", "client's id", "0a" * 16, NOON)
        await catalog.images.reserve(new_image(), lease=lease, upload_id=taken)
        rows = await catalog._database.read(lambda connection: connection.execute(select(upload_ids)).all())
        token = urlsafe_b64decode(taken.delete_token)
        assert len(token) == 24
        for secret in (b"client's id", token, taken.delete_token.encode()):
            assert repr(secret)[2:-1] not in repr(rows)

    async def test_every_upload_has_its_own_delete_token(self, catalog: Catalog):
        tokens = {catalog.upload_ids.new("guest", "client's id", "0a" * 16, NOON).delete_token for _ in range(9)}
        assert len(tokens) == 9

    async def test_one_of_20_uploads_with_one_id_succeeds(self, catalog: Catalog, other: Catalog, lease: str):
        async def got(name: str, at: Catalog) -> bool:
            taken = at.upload_ids.new("guest", "client's id", "0a" * 16, NOON)
            try:
                await at.images.reserve(new_image(name), lease=lease, upload_id=taken)
            except UploadIdTaken:
                return False
            return True

        won = await asyncio.gather(*[got(f"{i}", catalog if i % 2 else other) for i in range(20)])
        assert sum(won) == 1
        assert await count(catalog, images_table) == 1
        assert (await guest(catalog)).pictures == 1

    @pytest.mark.parametrize("way", ["withdrawn", "lease-ended", "restored"])
    async def test_an_upload_that_fails_frees_its_id(self, catalog: Catalog, lease: str, clock: Clock, way: str):
        taken = catalog.upload_ids.new("guest", "client's id", "0a" * 16, NOON)
        row = await catalog.images.reserve(new_image(), lease=lease, upload_id=taken)
        if way == "restored":
            assert await catalog.images.forget_unfinished() == 1
        elif way == "withdrawn":
            assert await catalog.images.withdraw(row.number, lease=lease)
            await catalog.images.forget(row.number)
        else:
            clock.forward(2 * MINUTE)
            sweep = await catalog.leases.take(MINUTE)
            assert await claim_abandoned(catalog, lease=sweep, now=clock())
            await catalog.images.forget(row.number)
        assert await catalog.upload_ids.find("guest", "client's id") is None
        assert await catalog.images.reserve(new_image("again"), lease=lease, upload_id=taken)

    async def test_a_refused_reservation_takes_no_upload_id(self, catalog: Catalog, lease: str):
        taken = catalog.upload_ids.new("guest", "client's id", "0a" * 16, NOON)
        await catalog.keys.set_enabled(GUEST, enabled=False)
        with pytest.raises(KeyUnusable):
            await catalog.images.reserve(new_image(), lease=lease, upload_id=taken)
        assert await catalog.upload_ids.find("guest", "client's id") is None

    async def test_the_upload_id_of_a_deleted_picture_stays_taken(self, catalog: Catalog, lease: str):
        taken = catalog.upload_ids.new("guest", "client's id", "0a" * 16, NOON)
        row = await catalog.images.reserve(new_image(), lease=lease, upload_id=taken)
        await catalog.images.publish(row, lease=lease)
        await delete(catalog, row.number)
        earlier = await catalog.upload_ids.find("guest", "client's id")
        assert earlier == Earlier("0a" * 16, taken.delete_token, (), None)
        with pytest.raises(UploadIdTaken):
            await catalog.images.reserve(new_image("again"), lease=lease, upload_id=taken)

    async def test_old_upload_ids_are_forgotten(self, catalog: Catalog, lease: str, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("imges.catalog.upload_ids.PAGE", 2)
        for i in range(6):
            taken = catalog.upload_ids.new("guest", f"{i}", "0a" * 16, NOON + i * MINUTE)
            await catalog.images.reserve(new_image(f"{i}"), lease=lease, upload_id=taken)
        await catalog.upload_ids.forget(NOON + 5 * MINUTE)
        found = [await catalog.upload_ids.find("guest", f"{i}") is not None for i in range(6)]
        assert found == [False] * 5 + [True]
        assert await count(catalog, images_table) == 6

    # Short ids

    async def test_a_short_id_is_made_of_the_number(self, catalog: Catalog, lease: str):
        row = await catalog.images.reserve(new_image(id=None), lease=lease, short_id=lambda number: f"s{number}")
        assert row.id == f"s{row.number}"
        await catalog.images.publish(row, lease=lease)
        assert (await catalog.published.by_id(row.id, NOON)).number == row.number

    async def test_a_short_id_that_an_import_brought_is_skipped(self, catalog: Catalog, lease: str):
        for imported in ("s2", "s3"):
            await published(
                catalog,
                lease,
                new_image(
                    id=imported,
                    original=stored(imported),
                    medium_key=f"m{imported}",
                    medium=None,
                    thumb=stored(f"t{imported}"),
                ),
            )
        row = await catalog.images.reserve(new_image(id=None), lease=lease, short_id=lambda number: f"s{number - 1}")
        assert row.id not in {"s2", "s3"}
        assert row.id == f"s{row.number - 1}"
        assert await count(catalog, images_table) == 3

    async def test_a_number_is_never_used_again(self, catalog: Catalog, lease: str):
        last = await published(catalog, lease, new_image("a"))
        await delete(catalog, last.number)
        assert (await catalog.images.reserve(new_image("b"), lease=lease)).number > last.number

    # Deletion and expiry

    async def test_a_deleted_picture_is_gone_at_once_and_for_ever(self, catalog: Catalog, lease: str):
        image = await published(catalog, lease, new_image())
        await catalog.deletions.begin(image.number)
        for _ in range(2):
            with pytest.raises(Gone):
                await catalog.published.by_id(image.id, NOON)
            for key in keys_of(new_image()):
                with pytest.raises(Gone):
                    await catalog.published.by_key(key, NOON)
            await catalog.deletions.finish(image.number)

    async def test_a_picture_is_gone_from_the_instant_at_which_it_expires(self, catalog: Catalog, lease: str):
        image = await published(catalog, lease, new_image(expires=NOON))
        assert await catalog.published.by_id(image.id, NOON - timedelta(microseconds=1)) == image
        with pytest.raises(Gone):
            await catalog.published.by_id(image.id, NOON)
        with pytest.raises(Gone):
            await catalog.published.by_key(image.thumb.key, NOON)

    async def test_an_expired_picture_is_returned_for_deletion_once(self, catalog: Catalog, lease: str):
        rows = [await published(catalog, lease, new_image(f"{i}", expires=NOON + i * MINUTE)) for i in range(3)]
        await published(catalog, lease, new_image("stays"))
        await catalog.images.reserve(new_image("pending", expires=NOON), lease=lease)
        expired = await catalog.deletions.begin_expired(NOON + MINUTE, limit=10)
        assert sorted(image.id for image in expired) == [row.id for row in rows[:2]]
        assert {image.state for image in expired} == {State.DELETING}
        assert await catalog.deletions.begin_expired(NOON + MINUTE, limit=10) == []

    async def test_no_more_than_the_limit_expire_at_a_time(self, catalog: Catalog, lease: str):
        for i in range(3):
            await published(catalog, lease, new_image(f"{i}", expires=NOON))
        assert [len(await catalog.deletions.begin_expired(NOON, limit=2)) for _ in range(3)] == [2, 1, 0]

    async def test_deletions_that_were_not_finished_are_listed(self, catalog: Catalog, lease: str):
        rows = [await published(catalog, lease, new_image(f"{i}")) for i in range(4)]
        for row in rows[:3]:
            await catalog.deletions.begin(row.number)
        await catalog.deletions.finish(rows[0].number)
        unfinished = await catalog.deletions.begun(limit=10)
        assert [image.number for image in unfinished] == [rows[1].number, rows[2].number]
        assert await catalog.deletions.begun(limit=1) == unfinished[:1]
        assert await catalog.deletions.begun(limit=10, after=rows[1].number) == unfinished[1:]

    # Leases

    async def test_rows_of_a_living_lease_are_not_claimed(
        self, catalog: Catalog, other: Catalog, lease: str, clock: Clock
    ):
        await catalog.images.reserve(new_image(), lease=lease)
        mine = await other.leases.take(MINUTE)
        clock.forward(MINUTE * 0.9)
        await catalog.leases.renew(lease, MINUTE)
        clock.forward(MINUTE * 0.9)
        assert await claim_abandoned(other, lease=mine, now=clock(), limit=10) == []

    @pytest.mark.parametrize("state", ["pending", "withdrawing"])
    @pytest.mark.parametrize("end", ["in time", "given back"])
    async def test_rows_of_a_dead_lease_are_claimed(
        self, catalog: Catalog, other: Catalog, lease: str, clock: Clock, state: str, end: str
    ):
        row = await catalog.images.reserve(new_image(), lease=lease)
        if state == "withdrawing":
            await catalog.images.withdraw(row.number, lease=lease)
        mine = await other.leases.take(2 * MINUTE)
        if end == "in time":
            clock.forward(MINUTE)
        else:
            await catalog.leases.give_back(lease)
        claimed = await claim_abandoned(other, lease=mine, now=clock(), limit=10)
        assert claimed == [replace(row, state=State.WITHDRAWING)]
        with pytest.raises(RowClaimed):
            await catalog.images.publish(row, lease=lease)
        assert not await catalog.images.withdraw(row.number, lease=lease)

    async def test_published_and_deleting_rows_are_never_abandoned(self, catalog: Catalog, lease: str, clock: Clock):
        await published(catalog, lease, new_image("a"))
        row = await published(catalog, lease, new_image("b"))
        await catalog.deletions.begin(row.number)
        clock.forward(MINUTE)
        mine = await catalog.leases.take(MINUTE)
        assert await claim_abandoned(catalog, lease=mine, now=clock(), limit=10) == []

    async def test_two_sweeps_never_get_the_same_row(self, catalog: Catalog, other: Catalog, lease: str, clock: Clock):
        numbers = [(await catalog.images.reserve(new_image(f"{i}"), lease=lease)).number for i in range(20)]
        clock.forward(MINUTE)

        async def swept(place: Catalog) -> list[int]:
            mine, claimed = await place.leases.take(MINUTE), list[int]()
            while await place.images.abandoned(now=clock(), limit=1):
                some = await claim_abandoned(place, lease=mine, now=clock(), limit=3)
                assert len(some) <= 3
                claimed += [image.number for image in some]
            return claimed

        claims = await asyncio.gather(*(swept(place) for place in (catalog, other) * 3))
        assert sorted(number for claim in claims for number in claim) == numbers

    async def test_rows_of_a_claim_whose_answer_was_lost_are_returned_again(
        self, catalog: Catalog, lease: str, clock: Clock
    ):
        row = await catalog.images.reserve(new_image(), lease=lease)
        clock.forward(MINUTE)
        mine = await catalog.leases.take(MINUTE)
        other = await catalog.leases.take(MINUTE)
        numbers = await catalog.images.abandoned(now=clock(), limit=10)
        for _ in range(2):
            claimed = await catalog.images.claim(numbers, lease=mine, now=clock())
            assert [image.number for image in claimed] == [row.number]
        assert await catalog.images.claim(numbers, lease=other, now=clock()) == []

    async def test_rows_that_a_dead_sweep_claimed_are_claimed_again(self, catalog: Catalog, lease: str, clock: Clock):
        row = await catalog.images.reserve(new_image(), lease=lease)
        for _ in range(2):
            clock.forward(MINUTE)
            mine = await catalog.leases.take(MINUTE)
            claimed = await claim_abandoned(catalog, lease=mine, now=clock(), limit=10)
            assert [image.number for image in claimed] == [row.number]

    async def test_a_lease_that_ended_lives_again_when_it_is_renewed(self, catalog: Catalog, lease: str, clock: Clock):
        clock.forward(2 * MINUTE)
        mine = await catalog.leases.take(MINUTE)  # takes dead leases away
        await catalog.leases.renew(lease, MINUTE)
        await catalog.images.reserve(new_image(), lease=lease)
        assert await claim_abandoned(catalog, lease=mine, now=clock(), limit=10) == []

    async def test_a_killed_process_loses_nothing_published_and_its_pending_row_is_claimed(
        self, catalog: Catalog, url: str
    ):
        process = await self.process(url, "hang")
        assert process.stdout
        assert await process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        later = datetime.now().astimezone() + MINUTE
        async with open_catalog(url, lambda: later) as sweeper:
            mine = await sweeper.leases.take(MINUTE)
            assert (await sweeper.published.by_id("id-published", later)).state == State.PUBLISHED
            claimed = await claim_abandoned(sweeper, lease=mine, now=later, limit=10)
            assert [image.id for image in claimed] == ["id-pending"]
            assert [file.key for file in claimed[0].files()] == [
                f"2014/06/04/pending{part}.png" for part in ("", ".md", ".th")
            ]
            await sweeper.images.forget(claimed[0].number)
        assert (await guest(catalog)).pictures == 1

    async def test_one_lease_holds_a_job_until_it_ends(
        self, catalog: Catalog, other: Catalog, lease: str, clock: Clock
    ):
        theirs = await other.leases.take(2 * MINUTE)
        held = await asyncio.gather(
            catalog.leases.hold_job("upkeep", lease=lease), other.leases.hold_job("upkeep", lease=theirs)
        )
        assert sorted(held) == [False, True]
        holder, waiting = (lease, theirs) if held[0] else (theirs, lease)
        for _ in range(2):
            assert await catalog.leases.hold_job("upkeep", lease=holder)
            assert not await other.leases.hold_job("upkeep", lease=waiting)
        assert await other.leases.hold_job("another", lease=waiting)
        await catalog.leases.give_back(holder)
        assert await other.leases.hold_job("upkeep", lease=waiting)
        clock.forward(3 * MINUTE)
        third = await catalog.leases.take(MINUTE)
        assert await catalog.leases.hold_job("upkeep", lease=third)

    # Duplicates, views, addresses

    async def test_a_duplicate_is_found_by_api_key_digest_and_size(self, catalog: Catalog, lease: str):
        await catalog.keys.add(ApiKey("other", Scope.UPLOAD, NOON), b"hash of other")
        image = await published(catalog, lease, new_image(expires=NOON + MINUTE))
        md5, size = image.original.md5, image.original.size
        assert await catalog.published.duplicate_of("guest", md5, size, NOON) == image
        assert await catalog.published.duplicate_of("other", md5, size, NOON) is None
        assert await catalog.published.duplicate_of("guest", md5, size + 1, NOON) is None
        assert await catalog.published.duplicate_of("guest", "0" * 32, size, NOON) is None
        assert await catalog.published.duplicate_of("guest", md5, size, NOON + MINUTE) is None

    async def test_only_published_pictures_are_duplicates(self, catalog: Catalog, lease: str):
        row = await catalog.images.reserve(new_image(), lease=lease)
        looking = partial(catalog.published.duplicate_of, "guest", row.original.md5, row.original.size, NOON)
        assert await looking() is None
        await catalog.images.publish(row, lease=lease)
        assert await looking()
        await catalog.deletions.begin(row.number)
        assert await looking() is None

    async def test_views_add_up_over_processes(self, catalog: Catalog, other: Catalog, lease: str):
        image = await published(catalog, lease, new_image())
        await asyncio.gather(
            catalog.images.add_views({image.id: 2, "never was": 5}),
            other.images.add_views({image.id: 3}),
            other.images.add_views({}),
        )
        assert (await catalog.published.by_id(image.id, NOON)).views == 5

    async def test_old_addresses_are_forgotten(self, catalog: Catalog, lease: str, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("imges.catalog.images.PAGE", 2)
        old = [await published(catalog, lease, new_image(f"{i}", created=NOON - MINUTE)) for i in range(5)]
        young = await published(catalog, lease, new_image("young"))
        await catalog.images.forget_addresses(NOON)
        assert [(await catalog.published.by_id(image.id, NOON)).address for image in old] == [None] * 5
        assert (await catalog.published.by_id(young.id, NOON)).address == "192.0.2.7"

    @pytest.mark.parametrize(
        ("asked", "names"),
        [
            pytest.param({}, "abcdef", id="all"),
            pytest.param({"api_key": "other"}, "bd", id="key"),
            pytest.param({"network": ip_network("192.0.2.0/29")}, "abc", id="network"),
            pytest.param({"network": ip_network("192.0.2.8/32")}, "d", id="one-address"),
            pytest.param({"network": ip_network("2001:db8::/32")}, "e", id="ipv6"),
            pytest.param({"before": NOON}, "ad", id="date"),
            pytest.param({"api_key": "other", "before": NOON}, "d", id="key-and-date"),
            pytest.param({"api_key": "nobody"}, "", id="nothing"),
        ],
    )
    async def test_pictures_are_listed_by_key_network_and_date(
        self,
        catalog: Catalog,
        lease: str,
        monkeypatch: pytest.MonkeyPatch,
        asked: dict[str, Any],
        names: str,
    ):
        monkeypatch.setattr("imges.catalog.images.PAGE", 2)
        await catalog.keys.add(ApiKey("other", Scope.UPLOAD, NOON), b"hash of other")
        pictures: dict[str, dict[str, Any]] = {
            "a": {"created": NOON - MINUTE},
            "b": {"api_key": "other"},
            "c": {},
            "d": {"api_key": "other", "created": NOON - MINUTE, "address": "192.0.2.8"},
            "e": {"address": "2001:db8::1"},
            "f": {"address": None},
        }
        for name, changes in pictures.items():
            await published(catalog, lease, new_image(name, **changes))
        await catalog.images.reserve(new_image("pending", created=NOON - MINUTE, api_key="other"), lease=lease)
        assert sorted([image.id async for image in catalog.published.each(**asked)]) == [f"id-{name}" for name in names]

    async def test_pictures_can_be_deleted_while_they_are_listed(
        self, catalog: Catalog, lease: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("imges.catalog.images.PAGE", 2)
        for i in range(7):
            await published(catalog, lease, new_image(f"{i}"))
        async for image in catalog.published.each(network=ip_network("192.0.2.0/24")):
            await delete(catalog, image.number)
        assert await count(catalog, images_table) == 0

    # What maintenance does

    async def test_an_imported_picture_is_published_at_once(self, catalog: Catalog, other: Catalog):
        row = await catalog.images.take_in(FULL, views=417)
        assert await other.published.by_id(row.id, NOON) == row
        assert (row.state, row.views) == (State.PUBLISHED, 417)
        assert (await guest(catalog)).bytes == FULL.stored_bytes
        for taken in (FULL, replace(FULL, id="another")):
            with pytest.raises(KeyTaken):
                await catalog.images.take_in(taken)
        assert (await guest(catalog)).pictures == 1

    async def test_no_quota_refuses_an_imported_picture(self, catalog: Catalog):
        await catalog.keys.ensure_guest(b"hash of guest", 1)
        await catalog.images.take_in(new_image())
        assert (await guest(catalog)).pictures == 1

    async def test_an_imported_picture_may_be_pending_first(self, catalog: Catalog, lease: str):
        row = await catalog.images.take_in(new_image(), lease=lease)
        with pytest.raises(NotFound):
            await catalog.published.by_id(row.id, NOON)
        assert (await catalog.images.publish(row, lease=lease)).id == row.id

    async def test_rows_of_living_uploads_are_in_flight(self, catalog: Catalog, lease: str, clock: Clock):
        held = await catalog.images.reserve(new_image("held"), lease=lease)
        done = await published(catalog, lease, new_image("done"))
        assert {kept.image.number: kept.in_flight for kept in await catalog.inventory.page(limit=9)} == {
            held.number: True,
            done.number: False,
        }
        assert [kept.image.number for kept in await catalog.inventory.page(after=held.number, limit=9)] == [done.number]
        clock.forward(2 * MINUTE)
        assert not (await catalog.inventory.by_numbers([held.number]))[held.number].in_flight

    async def test_owners_of_keys_differ_from_tombstones_and_free_keys(self, catalog: Catalog, lease: str):
        image = await published(catalog, lease, new_image("here"))
        gone = await published(catalog, lease, new_image("gone"))
        await delete(catalog, gone.number)
        keys = [image.thumb.key, image.medium_key, gone.original.key, "2014/06/04/free.png"]
        owners = await catalog.inventory.owners(keys)
        assert {key: owner and owner.image for key, owner in owners.items()} == {
            image.thumb.key: image,
            image.medium_key: image,
            gone.original.key: None,
        }

    async def test_files_are_set_only_if_the_picture_is_as_it_was(self, catalog: Catalog, lease: str):
        image = await published(catalog, lease, new_image())
        thumb = replace(stored("another", 5000), key=image.thumb.key, crc32=1)
        new = replace(image, original=replace(image.original, frames=3), thumb=thumb, medium=None)
        assert await catalog.images.set_files(image, new)
        assert await catalog.published.by_id(image.id, NOON) == new
        assert (await guest(catalog)).bytes == 6000
        assert not await catalog.images.set_files(image, new)
        assert not await catalog.moves.record(image, "cloud")
        assert await catalog.moves.record(new, "cloud")
        assert (await catalog.published.by_id(image.id, NOON)).place == "cloud"
        assert await catalog.images.set_files(replace(new, place="cloud"), replace(image, place="cloud"))
        assert (await catalog.published.by_id(image.id, NOON)).medium == image.medium

    async def test_a_picture_that_is_deleted_is_not_moved(self, catalog: Catalog, lease: str):
        image = await published(catalog, lease, new_image())
        marked = await catalog.deletions.begin(image.number)
        assert marked
        assert marked.place == "disk"
        assert not await catalog.moves.record(image, "cloud")
        assert await catalog.deletions.begin(image.number) is None

    async def test_unfinished_uploads_are_forgotten_after_a_restore(self, catalog: Catalog, lease: str):
        done = await published(catalog, lease, new_image("done"))
        await catalog.images.reserve(new_image("pending"), lease=lease)
        withdrawn = await catalog.images.reserve(new_image("withdrawn"), lease=lease)
        await catalog.images.withdraw(withdrawn.number, lease=lease)
        assert await catalog.images.forget_unfinished() == 2
        assert [kept.image for kept in await catalog.inventory.page(limit=9)] == [done]
        assert (await guest(catalog)).pictures == 1
        await catalog.images.take_in(new_image("pending"))

    # Pictures from other hosts

    async def test_old_addresses_lead_to_their_picture_and_stay_when_it_is_deleted(self, catalog: Catalog, lease: str):
        old = [OldAddress("/u/a.png"), OldAddress("/view/ü.png", Shows.PAGE)]
        assert not await catalog.old_addresses.has_any()
        image = await catalog.images.take_in(new_image("a"), old=old)
        other = await catalog.images.take_in(new_image("b"), old=[OldAddress("/u/a.png"), OldAddress("/u/b.png")])
        assert await catalog.old_addresses.has_any()
        assert await catalog.old_addresses.find("/u/a.png", NOON) == (Shows.ORIGINAL, image)
        assert await catalog.old_addresses.find("/view/ü.png", NOON) == (Shows.PAGE, image)
        assert await catalog.old_addresses.of([image.number, other.number, 999]) == {
            image.number: old,
            other.number: [OldAddress("/u/b.png")],
        }
        assert await catalog.old_addresses.add(other.number, old) == 0
        await catalog.deletions.begin(image.number)
        with pytest.raises(Gone):
            await catalog.old_addresses.find("/u/a.png", NOON)
        await catalog.deletions.finish(image.number)
        with pytest.raises(Gone):
            await catalog.old_addresses.find("/u/a.png", NOON)
        assert await catalog.old_addresses.add(other.number, old) == 0
        assert await catalog.old_addresses.owners(["/u/a.png", "/u/b.png", "/c"]) == {
            "/u/a.png": None,
            "/u/b.png": other.number,
        }
        assert [each.path for each in await catalog.old_addresses.samples(9)] == ["/u/b.png"]
        for path in ("/u/A.png", "/\0", "/\ud800", "/" + "x" * 1024):
            with pytest.raises(NotFound):
                await catalog.old_addresses.find(path, NOON)

    async def test_old_addresses_of_an_import_that_was_taken_back_are_free(self, catalog: Catalog, lease: str):
        old = [OldAddress("/u/a.png")]
        row = await catalog.images.take_in(new_image("a"), lease=lease, old=old)
        with pytest.raises(NotFound):
            await catalog.old_addresses.find("/u/a.png", NOON)
        await catalog.images.withdraw(row.number, lease=lease)
        await catalog.images.forget(row.number)
        again = await catalog.images.take_in(new_image("again"), old=old)
        assert (await catalog.old_addresses.find("/u/a.png", NOON))[1] == again

    async def test_a_picture_gets_its_right_id_and_answers_to_the_one_before(self, catalog: Catalog):
        image = await catalog.images.take_in(new_image("a"))
        await catalog.mending.give_id(image, "right", keep=True)
        for each in ("right", "id-a"):
            assert (await catalog.published.by_id(each, NOON)).id == "right"
        with pytest.raises(KeyTaken):
            await catalog.images.take_in(new_image("b", id="id-a"))
        await catalog.mending.give_id(replace(image, id="right"), "id-a", keep=False)
        assert (await catalog.published.by_id("id-a", NOON)).id == "id-a"
        with pytest.raises(NotFound):
            await catalog.published.by_id("right", NOON)
        other = await catalog.images.take_in(new_image("b"))
        with pytest.raises(KeyTaken):
            await catalog.mending.give_id(other, "id-a", keep=True)
        assert (await catalog.published.by_id("id-b", NOON)).number == other.number

    async def test_an_id_is_taken_away_for_its_rightful_picture(self, catalog: Catalog):
        first, second = [await catalog.images.take_in(new_image(name)) for name in ("a", "b")]
        await catalog.mending.free_id(first, "id-a")
        await catalog.mending.give_id(second, "id-a", keep=False)
        assert (await catalog.published.by_id("id-a", NOON)).number == second.number
        left = (await catalog.inventory.by_numbers([first.number]))[first.number].image
        assert left.id not in {"id-a", "id-b"}
        assert (await catalog.published.by_id(left.id, NOON)).number == first.number
        await catalog.mending.give_id(left, "id-b", keep=True)
        assert (await catalog.published.by_id(left.id, NOON)).id == "id-b"

    async def test_what_a_better_dump_says_is_filled_in(self, catalog: Catalog):
        await catalog.keys.add(ApiKey("anna", Scope.UPLOAD, NOON, enabled=False), b"hash of anna")
        image = await catalog.images.take_in(new_image("a"))
        better = replace(
            image, title="Titel", tags=("x",), views=7, api_key="anna", created=NOON - MINUTE, expires=NOON + MINUTE
        )
        assert await catalog.mending.fill(image, better)
        assert await catalog.published.by_id(image.id, NOON) == better
        found = await catalog.search.page(Search("titel"), limit=9)
        assert [each.id for each in found] == [image.id]
        counts = {key.name: (key.pictures, key.bytes) for key in await catalog.keys.all()}
        assert counts == {GUEST: (0, 0), "anna": (1, image.stored_bytes)}
        await catalog.deletions.begin(image.number)
        assert not await catalog.mending.fill(image, better)

    async def test_movable_pictures_are_counted_and_listed(self, catalog: Catalog, lease: str):
        first = await published(catalog, lease, new_image("first"))
        second = await published(catalog, lease, new_image("second", created=NOON + MINUTE, place="old"))
        await published(catalog, lease, new_image("there", place="cloud"))
        await catalog.images.reserve(new_image("pending"), lease=lease)

        async def movable(source: str | None = None, before: datetime | None = None) -> list[int]:
            chosen: dict[str, Any] = {"to": "cloud", "source": source, "before": before}
            listed = [image.number for image in await catalog.moves.page(**chosen, after=0, limit=9)]
            assert sum(count for count, _ in (await catalog.moves.sums(**chosen)).values()) == len(listed)
            return listed

        assert await movable() == [first.number, second.number]
        assert await movable(source="old") == [second.number]
        assert await movable(before=NOON + MINUTE) == [first.number]
        assert await catalog.moves.sums(to="cloud", source="disk", before=None) == {"disk": (1, 3000)}

    async def test_statistics_count_published_pictures(self, catalog: Catalog, lease: str):
        await published(catalog, lease, new_image("first"))
        await published(catalog, lease, new_image("second", created=NOON - 720 * MINUTE, media_type="image/gif"))
        await catalog.images.reserve(new_image("pending"), lease=lease)
        found = await catalog.figures.statistics()
        assert (found.pictures, found.bytes, found.places) == (2, 6000, {"disk": (2, 6000)})
        assert found.formats == {"image/png": (1, 3000), "image/gif": (1, 3000)}
        assert found.days == {"2014-06-04": (2, 6000)}

    # Quotas

    @pytest.mark.parametrize(
        ("quota", "room"),
        [
            pytest.param({"quota_pictures": 3}, 3, id="pictures"),
            pytest.param({"quota_bytes": 9000}, 3, id="bytes-exactly"),
            pytest.param({"quota_bytes": 8999}, 2, id="bytes-one-less"),
            pytest.param({"quota_pictures": 5, "quota_bytes": 3000}, 1, id="both"),
            pytest.param({"quota_pictures": 0}, 0, id="none"),
            pytest.param({}, 20, id="no-quota"),
        ],
    )
    async def test_parallel_uploads_do_not_exceed_a_quota(
        self, catalog: Catalog, other: Catalog, lease: str, quota: dict[str, Any], room: int
    ):
        await catalog.keys.add(ApiKey("ann", Scope.UPLOAD, NOON, **quota), b"hash of ann")
        racing = [
            place.images.reserve(new_image(f"{i}-{n}", api_key="ann"), lease=lease)
            for i in range(10)
            for n, place in enumerate((catalog, other))
        ]
        answers = await asyncio.gather(*racing, return_exceptions=True)
        assert sum(isinstance(answer, Image) for answer in answers) == room
        assert {type(answer) for answer in answers} <= {Image, QuotaUsedUp}
        ann = next(key for key in await catalog.keys.all() if key.name == "ann")
        assert (ann.pictures, ann.bytes) == (room, room * 3000)

    @pytest.mark.parametrize("way", ["deleted", "withdrawn"])
    async def test_a_picture_that_goes_makes_room_in_the_quota(self, catalog: Catalog, lease: str, way: str):
        await catalog.keys.ensure_guest(b"hash of guest", 3000)
        row = await catalog.images.reserve(new_image("a"), lease=lease)
        with pytest.raises(QuotaUsedUp):
            await catalog.images.reserve(new_image("b"), lease=lease)
        if way == "deleted":
            await catalog.images.publish(row, lease=lease)
            await delete(catalog, row.number)
        else:
            await catalog.images.withdraw(row.number, lease=lease)
            await catalog.images.forget(row.number)
        assert ((await guest(catalog)).pictures, (await guest(catalog)).bytes) == (0, 0)
        await catalog.images.reserve(new_image("b"), lease=lease)

    # API keys

    async def test_a_key_is_found_by_its_hash(self, catalog: Catalog):
        key = ApiKey(
            "ann",
            Scope.ADMIN,
            created=NOON,
            enabled=False,
            expires=NOON + MINUTE,
            quota_pictures=7,
            quota_bytes=10 * 2**30,
        )
        assert await catalog.keys.add(key, b"hash of ann") == key
        assert await catalog.keys.by_hash(b"hash of ann") == key
        assert await catalog.keys.by_hash(b"another hash") is None
        assert [found.name for found in await catalog.keys.all()] == ["ann", "guest"]

    async def test_a_name_belongs_to_one_key(self, catalog: Catalog):
        await catalog.keys.add(ApiKey("ann", Scope.UPLOAD, NOON), b"hash of ann")
        with pytest.raises(ApiKeyNameTaken):
            await catalog.keys.add(ApiKey("ann", Scope.ADMIN, NOON), b"another hash")
        found = await catalog.keys.by_hash(b"hash of ann")
        assert found
        assert found.scope == Scope.UPLOAD

    async def test_a_key_is_disabled_and_enabled(self, catalog: Catalog):
        for enabled in (False, True):
            await catalog.keys.set_enabled(GUEST, enabled=enabled)
            assert (await guest(catalog)).enabled is enabled
        with pytest.raises(NoSuchApiKey):
            await catalog.keys.set_enabled("nobody", enabled=True)

    async def test_pictures_of_a_revoked_key_count_for_the_next_key_of_its_name(self, catalog: Catalog, lease: str):
        ann = await catalog.keys.add(ApiKey("ann", Scope.UPLOAD, NOON), b"hash of ann")
        image = await published(catalog, lease, new_image(api_key="ann"))
        await catalog.keys.remove("ann")
        assert await catalog.keys.by_hash(b"hash of ann") is None
        assert await catalog.published.by_id(image.id, NOON) == image
        with pytest.raises(KeyWrong):
            await catalog.images.reserve(new_image("b", api_key="ann"), lease=lease)
        again = await catalog.keys.add(ann, b"new hash of ann")
        assert (again.pictures, again.bytes) == (1, 3000)

    async def test_pictures_of_a_revoked_key_can_be_deleted(self, catalog: Catalog, lease: str):
        await catalog.keys.add(ApiKey("ann", Scope.UPLOAD, NOON), b"hash of ann")
        image = await published(catalog, lease, new_image(api_key="ann"))
        await catalog.keys.remove("ann")
        await delete(catalog, image.number)
        with pytest.raises(Gone):
            await catalog.published.by_id(image.id, NOON)

    @pytest.mark.parametrize(
        ("change", "refusal"), [("revoked", KeyWrong), ("disabled", KeyUnusable), ("expired", KeyUnusable)]
    )
    async def test_a_key_that_was_disabled_or_revoked_meanwhile_reserves_nothing(
        self, catalog: Catalog, other: Catalog, lease: str, clock: Clock, change: str, refusal: type[Exception]
    ):
        await catalog.keys.add(ApiKey("ann", Scope.UPLOAD, NOON, expires=NOON + MINUTE), b"hash of ann")
        first = await published(catalog, lease, new_image("first", api_key="ann"))
        assert await catalog.keys.by_hash(b"hash of ann")
        if change == "revoked":
            await other.keys.remove("ann")
        elif change == "disabled":
            await other.keys.set_enabled("ann", enabled=False)
        else:
            clock.forward(MINUTE)
        with pytest.raises(refusal, match=change):
            await catalog.images.reserve(new_image(api_key="ann"), lease=lease)
        assert await count(catalog, images_table) == 1
        found = await catalog.published.duplicate_of("ann", first.original.md5, first.original.size, clock())
        assert found is None

    async def test_keys_are_remembered_until_one_is_changed_here(self, catalog: Catalog):
        def forgotten() -> bool:
            return catalog.keys.remembered(b"hash of guest") is None

        assert await catalog.keys.by_hash(b"no key's hash") is None
        assert catalog.keys.remembered(b"no key's hash") is None
        told: list[str] = []
        catalog.keys.on_change = lambda: told.append("changed")
        for change in (
            lambda: catalog.keys.add(ApiKey("ann", Scope.UPLOAD, NOON), b"hash of ann"),
            lambda: catalog.keys.set_enabled(GUEST, enabled=False),
            lambda: catalog.keys.ensure_guest(b"hash of guest", 5000),
            lambda: catalog.keys.remove("ann"),
        ):
            key = await catalog.keys.by_hash(b"hash of guest")
            assert key
            assert catalog.keys.remembered(b"hash of guest") == key
            await change()
            assert forgotten()
        assert len(told) == 4

    async def test_a_key_that_changes_while_it_is_read_is_not_remembered(
        self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ):
        read = catalog._database.read

        async def slowly(work: Callable[[Any], Any]) -> Any:
            found = await read(work)
            await catalog.keys.set_enabled(GUEST, enabled=False)
            return found

        monkeypatch.setattr(catalog._database, "read", slowly)
        assert await catalog.keys.by_hash(b"hash of guest")
        assert catalog.keys.remembered(b"hash of guest") is None

    async def test_neither_guest_nor_an_unknown_key_can_be_revoked(self, catalog: Catalog):
        with pytest.raises(GuestStays):
            await catalog.keys.remove(GUEST)
        with pytest.raises(NoSuchApiKey):
            await catalog.keys.remove("nobody")

    async def test_guest_follows_its_key_and_quota_and_stays_disabled(self, catalog: Catalog, lease: str):
        await published(catalog, lease, new_image())
        await catalog.keys.set_enabled(GUEST, enabled=False)
        changed = await catalog.keys.ensure_guest(b"new hash", 5000)
        assert changed == await guest(catalog) == await catalog.keys.by_hash(b"new hash")
        assert (changed.enabled, changed.quota_bytes, changed.pictures) == (False, 5000, 1)
        assert await catalog.keys.by_hash(b"hash of guest") is None

    async def test_guest_cannot_have_the_key_of_another(self, catalog: Catalog):
        await catalog.keys.add(ApiKey("ann", Scope.ADMIN, NOON), b"hash of ann")
        with pytest.raises(SettingsError, match="ann"):
            await catalog.keys.ensure_guest(b"hash of ann", None)

    async def test_last_use_is_kept_to_the_minute(self, catalog: Catalog, other: Catalog):
        await catalog.keys.touch(GUEST, NOON)
        assert (await guest(catalog)).last_used == NOON
        for place in (catalog, other):
            await place.keys.touch(GUEST, NOON + 0.9 * MINUTE)
        assert (await guest(catalog)).last_used == NOON
        await catalog.keys.touch(GUEST, NOON + MINUTE)
        assert (await guest(catalog)).last_used == NOON + MINUTE

    # Search

    async def test_a_search_finds_pictures_that_meet_all_conditions_newest_first(self, catalog: Catalog, lease: str):
        await catalog.keys.add(ApiKey("ann", Scope.UPLOAD, NOON), b"hash of ann")
        for number, (name, size, key, address) in enumerate(
            [
                ("Straße.png", 10, "ann", "192.0.2.1"),
                ("ÄPFEL 100%.png", 20, "guest", "192.0.2.200"),
                ("IMG_1.png", 30, "ann", "2001:db8::1"),
                ("IMGX1.png", 40, "guest", None),
            ]
        ):
            new = new_image(
                f"{number}",
                original_filename=name,
                title="An evening" if number == 3 else None,
                original=replace(stored(f"{number}.png"), size=size),
                api_key=key,
                address=address,
                created=NOON + timedelta(days=number % 3),
            )
            await published(catalog, lease, new)
        await catalog.images.reserve(new_image("pending", original_filename="IMG_2.png"), lease=lease)
        day = timedelta(days=1)
        for search, found in [
            (Search(), [2, 1, 3, 0]),
            (Search(text="img_1"), [2]),
            (Search(text="IMG"), [2, 3]),
            (Search(text="EVENING"), [3]),
            (Search(text="äpfel 100%"), [1]),
            (Search(text="A\u0308PFEL"), [1]),
            (Search(text="STRASSE"), [0]),
            (Search(text="%"), [1]),
            (Search(api_key="ann"), [2, 0]),
            (Search(api_key="ann", text="img"), [2]),
            (Search(network=ip_network("192.0.2.0/25")), [0]),
            (Search(network=ip_network("192.0.2.0/24")), [1, 0]),
            (Search(network=ip_network("2001:db8::/32"), api_key="guest"), []),
            (Search(network=ip_network("::/0")), [2]),
            (Search(network=ip_network("::ffff:0:0/96")), [1, 0]),
            (Search(network=ip_network("0.0.0.0/0")), [1, 0]),
            (Search(least=20), [2, 1, 3]),
            (Search(least=20, most=30), [2, 1]),
            (Search(since=NOON + day), [2, 1]),
            (Search(since=NOON + day, before=NOON + 2 * day), [1]),
            (Search(md5=stored("3.png").md5), [3]),
            (Search(newest=2), [1, 0]),
        ]:
            assert [image.original.key for image in await catalog.search.page(search, limit=9)] == [
                f"{number}.png" for number in found
            ], search
            assert await catalog.search.count(search) == len(found), search

    @pytest.mark.parametrize("few", [2, 10_000])
    async def test_the_next_page_begins_where_the_last_ended_although_pictures_come_and_go(
        self, catalog: Catalog, lease: str, few: int, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("imges.catalog.search.FEW", few)  # with more entries than this, other indexes are read
        for number in range(10):
            created = NOON + MINUTE * (number // 2)  # two pictures of each moment
            await published(catalog, lease, new_image(f"{number}", created=created))
        for search in (Search(), Search(api_key="guest"), Search(text="1"), Search(network=ip_network("192.0.2.0/24"))):
            everything = [image.number for image in await catalog.search.page(search, limit=99)]
            pages: list[int] = []
            cursor = None
            while page := await catalog.search.page(search, limit=3, older_than=cursor):
                pages += [image.number for image in page]
                cursor = Cursor(page[-1].created, page[-1].number)
            assert pages == everything == sorted(everything, reverse=True)
            newer = await catalog.search.page(search, limit=3, newer_than=cursor)
            assert [image.number for image in newer] == everything[-4:-1]

    async def test_chosen_pictures_begin_deletion_once_and_count_until_they_are_gone(
        self, catalog: Catalog, lease: str
    ):
        rows = [await published(catalog, lease, new_image(f"{number}")) for number in range(3)]
        ids = [row.id for row in rows[:2]]
        assert sorted(row.id for row in await catalog.deletions.begin_all([*ids, "nobody"])) == ids
        assert await catalog.deletions.begin_all(ids) == []
        assert [image.id for image in await catalog.published.by_ids([row.id for row in rows])] == [rows[2].id]
        assert (await catalog.deletions.count(), await catalog.search.count(Search())) == (2, 1)
        await catalog.deletions.finish(rows[0].number)
        assert await catalog.deletions.count() == 1

    async def test_figures_of_places_and_days(self, catalog: Catalog, lease: str):
        for number, (place, day) in enumerate([("disk", 0), ("disk", 1), ("s3", 1), ("s3", 3)]):
            created = NOON + timedelta(days=day)
            await published(catalog, lease, new_image(f"{number}", place=place, created=created))
        await catalog.images.reserve(new_image("pending"), lease=lease)
        assert await catalog.figures.use_of_places() == [PlaceUse("disk", 2, 6000), PlaceUse("s3", 2, 6000)]
        assert await catalog.figures.by_day(NOON) == {0: 1, 1: 2, 3: 1}
        assert await catalog.figures.by_day(NOON + timedelta(hours=1)) == {0: 2, 2: 1}

    # Blocks

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("2001:DB8:0::7", "2001:db8::7/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("fe80::1%eth0", "fe80::1/128"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ],
    )
    def test_a_block_has_one_form(self, written: str, meant: str):
        assert block_text(written) == meant

    @pytest.mark.parametrize("written", ["", "d41d8cd98f00b204", "everybody", "192.0.2.0/33", "1.2.3", "x" * 32])
    def test_a_text_that_is_neither_digest_nor_network_is_no_block(self, written: str):
        with pytest.raises(ValueError, match="does not appear to be"):
            block_text(written)

    async def test_blocks_hold_for_networks_of_any_length_and_for_digests(self, catalog: Catalog):
        for what in ("192.0.2.0/24", "192.0.2.9/32", "2001:db8::/32", "2001:db9::7/128", "0" * 32):
            assert await catalog.blocks.add(what)
        for address, blocked in {
            "192.0.2.7": True,
            "::ffff:192.0.2.7": True,
            "192.0.3.7": False,
            "2001:db8:ffff::1": True,
            "2001:db9::7": True,
            "2001:db9::8": False,
            "::c000:207": False,  # the number of 192.0.2.7, but of IPv6
        }.items():
            assert await catalog.blocks.has(address=address) is blocked, address
        assert await catalog.blocks.has(md5="0" * 32)
        assert not await catalog.blocks.has(md5="1" * 32)
        assert not await catalog.blocks.has()

    async def test_a_block_is_added_and_removed_once(self, catalog: Catalog, clock: Clock):
        assert [await catalog.blocks.add("192.0.2.7/32") for _ in range(2)] == [True, False]
        clock.forward(MINUTE)
        await catalog.blocks.add("0" * 32)
        assert [(block.what, block.created) for block in await catalog.blocks.all()] == [
            ("0" * 32, NOON + MINUTE),
            ("192.0.2.7/32", NOON),
        ]
        assert [await catalog.blocks.remove("192.0.2.7/32") for _ in range(2)] == [True, False]
        assert not await catalog.blocks.has(address="192.0.2.7")

    async def test_another_process_sees_blocks_and_their_removal(
        self, catalog: Catalog, other: Catalog, monkeypatch: pytest.MonkeyPatch
    ):
        seconds = 1000.0
        monkeypatch.setattr("imges.catalog.blocks.time.monotonic", lambda: seconds)

        async def heard() -> tuple[bool, bool]:
            return await other.blocks.has(address="192.0.2.7"), await other.blocks.has(md5="0" * 32)

        assert await heard() == (False, False)
        await catalog.blocks.add("192.0.2.7/32")
        assert await heard() == (False, False)  # an upload alone reads nothing
        seconds += 29
        assert await heard() == (True, False)
        await catalog.blocks.remove("192.0.2.7/32")
        await catalog.blocks.add("0" * 32)  # as many as before
        seconds += 29
        assert await heard() == (False, True)

    async def test_the_trail_lists_the_newest_first_and_forgets_after_a_year(self, catalog: Catalog, clock: Clock):
        await catalog.trail.add("owner", Deed.SIGN_IN)
        clock.forward(timedelta(days=364))
        await catalog.trail.add("owner", Deed.DELETE, "a\nb\0\ud83d" + "x" * 1000, 3)
        await catalog.trail.add("root on the server", Deed.REVOKE_KEY, "laptop")
        newest, deleted, first = await catalog.trail.page(before=None, limit=9)
        assert (newest.actor, newest.deed, newest.subject, newest.count) == (
            "root on the server",
            Deed.REVOKE_KEY,
            "laptop",
            None,
        )
        assert deleted.subject == ("a\\nb\\x00\\ud83d" + "x" * 1000)[:500]
        assert (deleted.count, deleted.created) == (3, NOON + timedelta(days=364))
        assert await catalog.trail.page(before=deleted.number, limit=9) == [first]
        assert await catalog.trail.page(before=None, limit=2) == [newest, deleted]
        clock.forward(timedelta(days=2))
        await catalog.trail.add("owner", Deed.SIGN_OUT)
        assert [trace.deed for trace in await catalog.trail.page(before=None, limit=9)] == [
            Deed.SIGN_OUT,
            Deed.REVOKE_KEY,
            Deed.DELETE,
        ]

    async def test_an_ended_session_is_ended_for_all_processes(self, catalog: Catalog, other: Catalog):
        await catalog.ended_sessions.end(b"session")
        await catalog.ended_sessions.end(b"session")
        assert await other.ended_sessions.has_ended(b"session", b"key", NOON)
        assert not await other.ended_sessions.has_ended(b"another", b"key", NOON)

    async def test_a_disabled_key_ends_its_sessions_of_before(self, catalog: Catalog, other: Catalog, clock: Clock):
        await catalog.keys.add(ApiKey("ann", Scope.ADMIN, NOON), b"key")
        for _ in range(2):
            clock.forward(MINUTE)
            await catalog.keys.set_enabled("ann", enabled=False)
            await catalog.keys.set_enabled("ann", enabled=True)
        ended = [
            await other.ended_sessions.has_ended(b"session", b"key", NOON + minutes * MINUTE) for minutes in (0, 1, 2)
        ]
        assert ended == [True, True, False]
        assert not await other.ended_sessions.has_ended(b"session", b"another key", NOON)

    async def test_edits_at_once_lose_nothing_and_a_deleting_picture_is_not_edited(
        self, catalog: Catalog, other: Catalog, lease: str
    ):
        image = await published(catalog, lease, FULL)

        def adding(tag: str) -> Callable[[Image], Image]:
            return lambda row: replace(row, tags=(*row.tags, tag), title="Neu", expires=None, place="ignored")

        await asyncio.gather(
            *(one.edits.apply(image.number, adding(str(n))) for n in range(6) for one in (catalog, other))
        )
        found = await catalog.published.by_id(image.id, NOON)
        assert sorted(found.tags) == sorted([*FULL.tags, *[str(n) for n in range(6)] * 2])
        assert (found.title, found.expires, found.place, found.description) == ("Neu", None, "disk", FULL.description)
        assert await catalog.search.count(Search(text="neu")) == 1
        assert await catalog.search.count(Search(text="titel")) == 0
        await catalog.deletions.begin(image.number)
        assert await catalog.edits.apply(image.number, adding("late")) is None

    async def test_a_secret_is_made_once(self, catalog: Catalog, other: Catalog):
        made = await asyncio.gather(
            *(place.secret("id_key", partial(bytes, [n] * 32)) for n, place in enumerate((catalog, other)))
        )
        assert made[0] == made[1]
        assert await other.secret("another", lambda: b"other") == b"other"

    async def test_an_existing_secret_is_not_made_again(self, catalog: Catalog):
        await catalog.secret("id_key", lambda: b"first")
        assert await catalog.secret("id_key", pytest.fail) == b"first"

    async def test_the_check_of_a_working_catalog_passes(self, catalog: Catalog):
        await catalog.check()

    async def test_a_time_without_a_zone_is_refused(self, catalog: Catalog, lease: str):
        with pytest.raises(Exception, match="offset-naive"):
            await catalog.images.reserve(new_image(created=NOON.replace(tzinfo=None)), lease=lease)
