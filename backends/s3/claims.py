"""Claims: new keys only, at a store that ignores `If-None-Match`.

A put first stores a claim to its key: an object with a random name, in a folder of that key. Then it lists the folder.
If its claim is the only one there, it looks whether the key is free, stores the object, and deletes the claim. If there
is another claim, it deletes its own and tries again after a random time. Two puts cannot both find themselves alone,
because each lists the folder after it stored its claim.

Claims need more than conditional puts do: lists that show at once what was stored (nearly all stores do today), and
nodes that all use claims. One case stays open: if the store carries out a request long after we gave it up, the request
overwrites what others have stored since. A claim that a crash left makes its key taken until the sweep deletes it.
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

from .client import Client, cleaning, within
from .errors import RequestFailed

FOLDER = ".claims/"

TRIES = 8
"""Tries of one put, as long as others claim its key too."""


class Claims:
    """Claims to keys. They lie in `FOLDER`, where no key of an object can lie, because a segment starts with a dot."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, key: str) -> AsyncGenerator[None]:
        """Inside the block, *key* is free, and no other put of the key is inside.

        Raises `KeyExists` if an object has the key, or if others claim it for too long.
        """
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
        """Stores a claim in *folder* and deletes it at the end. Gives whether it is the only one there."""
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
        """Deletes the claims that were stored *before*."""
        async for entry in self._client.pages("list_objects_v2", "Contents", FOLDER):
            if entry["LastModified"] <= before:
                async with within():
                    await self._client.call("delete_object", Key=entry["Key"])
