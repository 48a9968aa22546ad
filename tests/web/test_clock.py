"""Clocks that jump, nights with an hour more or less, the last moment of a year: one instant for each upload."""

import os
import time
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from tests import drawn
from tests.web.conftest import Start

DOT = drawn.png()
BERLIN = "Europe/Berlin"
FORM = "%Y-%m-%d %H:%M:%S"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def agrees(image: dict[str, Any], moment: datetime, zone: str) -> None:
    """Both dates, and the folder, are of *moment*."""
    local = moment.astimezone(ZoneInfo(zone))
    assert image["date_gmt"] == moment.strftime(FORM)
    assert image["date"] == local.strftime(FORM)
    assert f"/images/{local:%Y/%m/%d}/" in image["url"]
    assert f"/images/{local:%Y/%m/%d}/" in image["thumb"]["url"]


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("2026-12-31T22:59:59.900", id="the last moment of the year"),
        pytest.param("2026-12-31T23:00:00.000", id="the first of the next"),
        pytest.param("2026-12-31T23:59:59.900", id="the last moment of UTC's year"),
        pytest.param("2028-02-29T22:59:59.999", id="the leap day's end"),
        pytest.param("2026-03-29T00:59:59.900", id="before an hour is left out"),
        pytest.param("2026-03-29T01:00:00.000", id="after it"),
        pytest.param("2026-10-25T00:30:00.000", id="in an hour that comes again"),
        pytest.param("2026-10-25T01:30:00.000", id="when it has come again"),
    ],
)
async def test_both_dates_and_the_folder_are_of_one_instant(start: Start, moment: str):
    async with start(SITE__TIME_ZONE=BERLIN) as server:
        with time_machine.travel(at(moment), tick=False):
            image = await server.uploaded(DOT)
            agrees(image, at(moment), BERLIN)
        assert (await server.get(image["url"])).body == DOT
        assert (await server.get(image["url_viewer"])).status == 200


async def test_a_picture_of_midnight_is_in_one_day_only(start: Start):
    """The clock goes on while it is uploaded: original, thumb and dates stay with the moment that it began with."""
    async with start(SITE__TIME_ZONE=BERLIN) as server:
        with time_machine.travel(at("2026-12-31T22:59:59.990"), tick=True):
            image = await server.uploaded(drawn.encoded(drawn.noise(600, 600), "PNG"))
            later = await server.uploaded(DOT)
        created = at(image["date_gmt"].replace(" ", "T"))
        agrees(image, created, BERLIN)
        agrees(later, at(later["date_gmt"].replace(" ", "T")), BERLIN)


async def test_a_clock_that_is_set_back_repeats_no_address_and_loses_nothing(start: Start):
    async with start(SITE__TIME_ZONE=BERLIN) as server:
        images: list[dict[str, Any]] = []
        for moment in ("2026-10-25T00:30:00", "2026-10-25T01:30:00", "2026-10-25T00:30:00", "2026-10-24T23:30:00"):
            with time_machine.travel(at(moment), tick=False):
                images.append(await server.uploaded(DOT, "same.png"))
                agrees(images[-1], at(moment), BERLIN)
                for image in images:
                    assert (await server.get(image["url"])).status == 200
        assert len({image["url"] for image in images}) == len({image["id_encoded"] for image in images}) == 4
        assert images[0]["date"] == images[1]["date"], "the hour came twice"
        with time_machine.travel(at("2026-10-24T23:00:00"), tick=False):
            await server.pictures.sweeping.sweep()
            assert await server.rows() == 4


async def test_what_has_expired_stays_so_when_the_clock_is_set_back(start: Start):
    async with start() as server:
        with time_machine.travel(at("2026-06-01T12:00:00"), tick=False):
            image = await server.uploaded(DOT, expiration="PT10M")
        with time_machine.travel(at("2026-06-01T12:11:00"), tick=False):
            assert (await server.get(image["url"])).status == 410
            await server.pictures.sweeping.sweep()
        with time_machine.travel(at("2026-06-01T11:30:00"), tick=False):
            assert (await server.get(image["url"])).status == 410
            await server.uploaded(DOT)


@pytest.mark.parametrize("hour", [10, 14])
async def test_limits_go_by_a_clock_that_cannot_be_set(start: Start, hour: int):
    """Within a day, because clients are counted under another pseudonym each day."""
    async with start(LIMITS__UPLOADS="2/minute") as server:
        with time_machine.travel(at("2026-06-01T12:00:00"), tick=True):
            for _ in range(2):
                assert (await server.upload(DOT)).status == 200
        with time_machine.travel(at(f"2026-06-01T{hour}:00:00"), tick=True):
            answer = await server.upload(DOT)
            assert answer.status == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 60


@pytest.fixture
def elsewhere() -> Generator[None]:
    """The machine's own time zone is another."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Pacific/Kiritimati"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
async def test_the_machine_s_time_zone_does_not_matter(start: Start):
    async with start() as server:
        with time_machine.travel(at("2026-12-31T23:59:59.900"), tick=False):
            image = await server.uploaded(DOT)
            agrees(image, at("2026-12-31T23:59:59.900"), "UTC")


async def test_another_time_zone_leaves_addresses_as_they_were(start: Start):
    moment = at("2026-12-31T23:30:00")
    async with start(SITE__TIME_ZONE="UTC") as server:
        with time_machine.travel(moment, tick=False):
            before = await server.uploaded(DOT, "same.png")
    async with start(SITE__TIME_ZONE=BERLIN) as server:
        assert (await server.get("/" + before["url"].split("/", 3)[3])).body == DOT  # it has another port by now
        with time_machine.travel(moment, tick=False):
            after = await server.uploaded(DOT, "same.png")
            agrees(after, moment, BERLIN)
        assert (await server.get("/image/" + before["id_encoded"])).status == 200
