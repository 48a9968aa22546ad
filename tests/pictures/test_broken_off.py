"""Clients that go away in the middle, and a catalog that is out of reach: nothing half stays and nothing is lost."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imges.errors import CatalogUnavailable
from tests import drawn
from tests.maintenance.collection import open_library


async def out_of_reach(*_: object, **__: object) -> None:
    raise CatalogUnavailable


async def test_a_client_that_goes_away_while_the_catalog_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with open_library(tmp_path / "data") as library:
        catalog = library.pictures.catalog
        reserving, going_on = asyncio.Event(), asyncio.Event()
        write = catalog._database.write

        async def slow_write(work: Any) -> Any:
            reserving.set()
            await going_on.wait()
            return await write(work)

        with monkeypatch.context() as faults:
            faults.setattr(catalog._database, "write", slow_write)
            faults.setattr(catalog.images, "withdraw", out_of_reach)
            uploading = asyncio.create_task(library.upload(drawn.png()))
            await reserving.wait()
            uploading.cancel()
            await asyncio.sleep(0)
            going_on.set()
            with pytest.raises(asyncio.CancelledError):
                await uploading
        assert len(await library.rows()) == 1, "it was reserved, and could not be taken back"
        await library.pictures.sweeping.undo_the_rest()
        assert await library.rows() == []
        assert (await catalog.keys.all())[0].pictures == 0


async def test_views_that_are_being_added_at_the_end_of_the_process_are_not_lost(tmp_path: Path):
    async with open_library(tmp_path / "data") as library:
        image = await library.upload(drawn.png())
        library.pictures.views.count(image.id)
        flushing = asyncio.create_task(library.pictures.views.flush())
        await asyncio.sleep(0)
        flushing.cancel()
        with suppress(asyncio.CancelledError):
            await flushing
        await library.pictures.background.finish()
        assert (await library.pictures.catalog.published.by_id(image.id, datetime.now(UTC))).views == 1


async def test_views_are_kept_while_the_catalog_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with open_library(tmp_path / "data") as library:
        image = await library.upload(drawn.png())
        views, catalog = library.pictures.views, library.pictures.catalog
        views.count(image.id)
        with monkeypatch.context() as faults:
            faults.setattr(catalog._database, "write", out_of_reach)
            with pytest.raises(CatalogUnavailable):
                await views.flush()
        views.count(image.id)
        await views.flush()
        assert (await catalog.published.by_id(image.id, datetime.now(UTC))).views == 2
        await views.flush()
        assert (await catalog.published.by_id(image.id, datetime.now(UTC))).views == 2, "no view is added twice"
