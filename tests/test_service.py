"""What the service owes to those who go away in the middle, where only the service itself can be watched doing it."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imges.errors import CatalogUnavailable
from tests import pictures
from tests.maintenance.collection import open_library


async def test_who_goes_away_while_the_catalog_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with open_library(tmp_path / "data") as library:
        catalog = library.service.catalog
        reserving, going_on = asyncio.Event(), asyncio.Event()
        write = catalog._database.write

        async def slow_write(work: Any) -> Any:
            reserving.set()
            await going_on.wait()
            return await write(work)

        async def out_of_reach(*_: object, **__: object) -> None:
            raise CatalogUnavailable

        with monkeypatch.context() as faults:
            faults.setattr(catalog._database, "write", slow_write)
            faults.setattr(catalog, "withdraw", out_of_reach)
            uploading = asyncio.create_task(library.upload(pictures.png()))
            await reserving.wait()
            uploading.cancel()
            await asyncio.sleep(0)
            going_on.set()
            with pytest.raises(asyncio.CancelledError):
                await uploading
        assert len(await library.rows()) == 1, "it was reserved, and could not be taken back"
        await library.service.take_back()
        assert await library.rows() == []
        assert (await catalog.keys())[0].pictures == 0


async def test_views_that_are_being_counted_at_the_end_are_not_lost(tmp_path: Path):
    async with open_library(tmp_path / "data") as library:
        image = await library.upload(pictures.png())
        library.service.count_view(image.id)
        flushing = asyncio.create_task(library.service.flush_views())
        await asyncio.sleep(0)
        flushing.cancel()
        with suppress(asyncio.CancelledError):
            await flushing
        await library.service.finish()
        assert (await library.service.catalog.by_id(image.id, datetime.now(UTC))).views == 1
