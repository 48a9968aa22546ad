"""Claims: new keys only, at a store that ignores `If-None-Match`.

Whoever wants a key lays a claim to it, an object of its own in a folder of that key, and then lists the folder. Who
finds no other claim there may look whether the key is free, put, and take the claim away; who finds one takes its own
back and tries again after a while of its own. Two cannot both find themselves alone, for each looks after it laid.

What this takes, and conditional puts do not: lists that show at once what was put (those of nearly all stores today),
and nodes that all came to use claims. What it cannot keep: a request that the store carries out long after we took it
for lost overwrites what others have put since. A claim that a crash left makes its key taken until the sweep comes.
"""

import asyncio
import hashlib
import random
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from weakref import WeakValueDictionary

from imges.storage import KeyExists

from .client import BUDGET, Client, cleaning, within
from .errors import RequestFailed

FOLDER = ".claims/"

TRIES = 8
"""Of one put for one key, as long as others claim it too."""


class Claims:
    """Claims to keys, kept beside them where no key can lie."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, key: str) -> AsyncGenerator[None]:
        """While inside, *key* is free, and nobody else is inside. Raises: KeyExists."""
        folder = f"{FOLDER}{hashlib.sha256(key.encode()).hexdigest()}/"
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            for _ in range(TRIES):
                if await self._exists(key):
                    break
                async with self._laid(folder) as alone:
                    if alone and not await self._exists(key):
                        yield
                        return
                await asyncio.sleep(random.uniform(0.02, 0.3))  # noqa: S311  (so that rivals do not come in step)
        raise KeyExists(key)

    @asynccontextmanager
    async def _laid(self, folder: str) -> AsyncGenerator[bool]:
        """A claim of ours in *folder*, for a while; whether it is the only one there."""
        claim = folder + secrets.token_hex(8)
        try:
            await self._client.call("put_object", Key=claim, Body=b"", ContentLength=0)
            yield [entry["Key"] async for entry in self._client.pages("list_objects_v2", "Contents", folder)] == [claim]
        finally:
            async with cleaning():
                await self._client.call("delete_object", Key=claim)

    async def _exists(self, key: str) -> bool:
        try:
            await self._client.call("head_object", Key=key)
        except RequestFailed as error:
            if error.is_missing:
                return False
            raise
        return True

    async def sweep(self, before: datetime) -> None:
        """Take away the claims that were laid *before*."""
        async for entry in self._client.pages("list_objects_v2", "Contents", FOLDER):
            if entry["LastModified"] <= before:
                async with within(BUDGET):
                    await self._client.call("delete_object", Key=entry["Key"])
