"""How messages are framed."""

import asyncio
import json

import pytest

from imges.processes.messages import LENGTH, messages, packed


async def read(content: bytes) -> list[list[object]]:
    reader = asyncio.StreamReader(limit=2**16)
    reader.feed_data(content)
    reader.feed_eof()
    return [message async for message in messages(reader)]


async def test_messages_arrive_as_they_were_sent():
    sent: list[list[object]] = [[1, "hit", "a", 5], [0, "forget", ["ж\n" * 100_000]], [2, None]]
    assert await read(b"".join(map(packed, sent))) == sent


async def test_a_message_is_its_length_in_four_bytes_and_json():
    assert packed([0, "stop", True]) == b'\0\0\0\x11[0, "stop", true]'
    assert LENGTH == 4


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 10])
async def test_a_message_that_breaks_off_is_the_end(cut: int):
    assert await read(packed([1, "a"]) + packed([2, "another"])[:cut]) == [[1, "a"]]


async def test_what_is_not_json_is_an_error():
    with pytest.raises(json.JSONDecodeError):
        await read(b"\0\0\0\1{")
