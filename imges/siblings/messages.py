"""How messages go between the parent and its processes: JSON, its length in four bytes before it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

LENGTH = 4
"""Bytes. A line would not do: readers of lines end at a length of their own, and names of pictures may be many."""


def packed(content: object) -> bytes:
    message = json.dumps(content).encode()
    return len(message).to_bytes(LENGTH, "big") + message


async def messages(reader: asyncio.StreamReader) -> AsyncGenerator[list[Any]]:
    """What the other end says until it is closed, or dies in the middle of a message. Raises: ValueError."""
    while True:
        try:
            length = int.from_bytes(await reader.readexactly(LENGTH), "big")
            message = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        yield json.loads(message)
