"""Every kind of file, sent to a server with each processor: what is stored is shown as what was sent."""

from collections.abc import AsyncGenerator
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

import pytest
import pytest_asyncio

from imges.imaging.header import recognise
from imges.imaging.types import MEDIA_TYPES
from tests.browser.shown import Judge, Shown, open_judge
from tests.imaging.families import Family, families
from tests.web.conftest import Server, running

FAMILIES = list(families())
MEDIUM_WIDTH = 500
SMALL_MEDIUM, LARGEST_THUMB = 24 * 1024, 28 * 1024
THUMB_TOLERANCE = 1.5
"""How many times as far the colours of a thumb may be off: small pictures are enlarged for it."""
CONVERTED = {"heic", "tiff", "bmp"}


class Memory:
    """A browser that is asked once about each file."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._known: dict[bytes, Shown] = {}

    async def shows(self, data: bytes, media_type: str) -> Shown:
        digest = blake2b(data).digest()
        if digest not in self._known:
            self._known[digest] = await self._judge.shows(data, media_type)
        return self._known[digest]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def judge() -> AsyncGenerator[Memory]:
    async with open_judge() as judge:
        yield Memory(judge)


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["vips", "pillow"])
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    folder = tmp_path_factory.mktemp(request.param) / "data"
    formats = f"[{', '.join(MEDIA_TYPES)}]"
    async with running(folder, IMAGES__PROCESSOR=request.param, IMAGES__FORMATS=formats) as server:
        yield server


async def wrong(server: Server, judge: Memory, family: Family) -> list[str]:
    """What of the stored files a browser shows otherwise than the file that was sent, in words.

    There may be no medium: one that would be larger than its original is left out.
    """
    answer = await server.upload(family.data, f"picture.{family.extension}")
    if family.refused or answer.status != 200:
        told = answer.json["error"]["message"] if answer.status != 200 else "taken"
        right = family.refused is not None and answer.status == 415 and family.refused in told
        return [] if right else [f"{answer.status}: {told}"]
    image: dict[str, Any] = answer.json["image"]
    shown = family.seen or family.data
    sent = await judge.shows(shown, MEDIA_TYPES[recognise(shown)])
    found: list[str] = []
    if (image["width"], image["height"]) != sent.size:
        found.append(f"the answer says {image['width']}x{image['height']}, shown is {sent.size}")
    original = await _stored(server, judge, image)
    near = 0.01 if family.extension not in CONVERTED else family.tolerance
    found += [f"original: {each}" for each in differences(sent, original, near)]
    if sent.size != original.size:
        found.append(f"original: {original.size} instead of {sent.size}")
    thumb = await _stored(server, judge, image["thumb"])
    if (off := sent.middle_distance(thumb)) > THUMB_TOLERANCE * family.tolerance:
        found.append(f"thumb: off by {off:.1f}")
    if image["thumb"]["size"] > LARGEST_THUMB:
        found.append(f"thumb: {image['thumb']['size']} bytes")
    return found + await _medium(server, judge, family, sent, image)


async def _medium(server: Server, judge: Memory, family: Family, sent: Shown, image: dict[str, Any]) -> list[str]:
    medium = image["medium"]
    most = max(image["size"], SMALL_MEDIUM)
    wanted = image["width"] > MEDIUM_WIDTH if family.medium is None else family.medium
    if medium["url"] is None:
        return ["medium: none"] if family.medium else []
    shown = await _stored(server, judge, medium)
    found = differences(sent, shown, family.tolerance)
    if not wanted:
        found.append("there is one")
    if shown.size != (medium["width"], medium["height"]):
        found.append(f"the answer says {medium['width']}x{medium['height']}, shown is {shown.size}")
    if medium["size"] > most:
        found.append(f"{medium['size']} bytes, of {image['size']}")
    return [f"medium: {each}" for each in found]


async def _stored(server: Server, judge: Memory, file: dict[str, Any]) -> Shown:
    path = "/images/" + file["url"].partition("/images/")[2]
    answer = await server.get(path)
    return await judge.shows(answer.body, MEDIA_TYPES[PurePath(path).suffix[1:]])


def differences(sent: Shown, stored: Shown, tolerance: float) -> list[str]:
    """In what two files are shown differently: colours and transparency, frames, their times and repetitions."""
    if stored.size is None:
        return ["not shown"]
    found = [f"off by {off:.1f}"] if (off := sent.distance(stored)) > tolerance else []
    pairs = {name: (getattr(sent, name), getattr(stored, name)) for name in ("frames", "repeats", "ms")}
    return found + [f"{name} are {b} instead of {a}" for name, (a, b) in pairs.items() if a != b and sent.frames > 1]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
async def test_what_is_stored_is_shown_as_what_was_sent(server: Server, judge: Memory, family: Family):
    found = await wrong(server, judge, family)
    assert not found, "; ".join(found)
