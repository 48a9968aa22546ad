"""How text sources become files."""

from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from imges.errors import FileTooLarge, SpoolUnavailable
from imges.receiving.fetch import Fetcher
from imges.receiving.intake import Intake
from imges.receiving.spool import Spool
from imges.receiving.text import Text


class Remote:
    """Stands in for the fetcher: each URL has the same picture."""

    name = "a.png"

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    @asynccontextmanager
    async def fetch(self, url: str, *, limit: int) -> AsyncGenerator["Remote"]:
        self.asked.append((url, limit))
        yield self

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b"picture"


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def intake(tmp_path: Path, remote: Remote) -> Intake:
    return Intake(Spool(tmp_path), cast("Fetcher", remote), 7)


def text(folder: Path, content: bytes) -> Text:
    (folder / "text").write_bytes(content)
    return Text(folder / "text")


async def test_a_url_is_fetched_and_has_a_name(intake: Intake, remote: Remote, tmp_path: Path):
    received = await intake.from_text(text(tmp_path, b"http://a.example/a.png\n"), tmp_path)
    assert (received.name, received.source) == ("a.png", "url")
    assert received.file.path.read_bytes() == b"picture"
    assert remote.asked == [("http://a.example/a.png", 7)]


async def test_base64_is_decoded_and_has_no_name(intake: Intake, remote: Remote, tmp_path: Path):
    received = await intake.from_text(text(tmp_path, b64encode(b"picture")), tmp_path)
    assert (received.name, received.source) == ("", "base64")
    assert received.file.path.read_bytes() == b"picture"
    assert remote.asked == []


async def test_a_picture_beyond_the_limit_is_refused(intake: Intake, tmp_path: Path):
    with pytest.raises(FileTooLarge):
        await intake.from_text(text(tmp_path, b64encode(b"pictures")), tmp_path)


async def test_a_spool_that_cannot_be_written_is_unavailable(intake: Intake, tmp_path: Path):
    with pytest.raises(SpoolUnavailable):
        await intake.from_text(text(tmp_path, b64encode(b"picture")), tmp_path / "nowhere")
