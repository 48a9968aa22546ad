"""Frames the messages between the parent and its processes: the length in four bytes, then JSON."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

LENGTH = 4
"""Bytes of the length. Messages are not lines: asyncio limits the length of a line, and a list of keys is long."""


def packed(content: object) -> bytes:
    """Returns *content* as a message."""
    message = json.dumps(content).encode()
    return len(message).to_bytes(LENGTH, "big") + message


async def messages(reader: asyncio.StreamReader) -> AsyncGenerator[list[Any]]:
    """Yields the messages of the other end until it closes, or dies in the middle of a message.

    Raises `ValueError` if a message is not JSON.
    """
    while True:
        try:
            length = int.from_bytes(await reader.readexactly(LENGTH), "big")
            message = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        yield json.loads(message)
