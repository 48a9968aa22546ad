"""Puts: in one request or in parts, under a new key only, and recognised if their answer was lost.

A request may reach the store while its answer does not reach us. The retry then hears that the key is taken: by us. So
every put writes a random mark into the object's metadata, and if the key is taken, the mark shows whether an earlier
try of the same put took it. Without the mark, the upload would fail with its object in place, or an equal object of
another upload would pass for ours and be deleted with it.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imges.storage import CHECK_PREFIX, KeyExists

from .body import AT_ONCE, Body
from .claims import Claims
from .client import Client, cleaning, to_the_end, within
from .errors import RequestFailed, translated

log = logging.getLogger(__name__)

PARTED = 16 * 2**20
"""Bytes above which a file is sent in parts."""

PART = 8 * 2**20
"""Bytes of a part. Stores refuse parts under 5 MB, except the last; some (R2) also refuse parts of different length."""

SLOWEST = 2**20
"""Bytes a second that a put must reach. A large file may therefore take longer than BUDGET."""

MARK = "imges-put"
"""The name of the mark in the object's metadata."""

NEW_ONLY = {"IfNoneMatch": "*"}

UNKNOWN_CONDITION = {"NotImplemented", "InvalidArgument", "InvalidRequest", "501"}
"""Codes of stores that do not know `If-None-Match` and refuse it. Other stores ignore it and overwrite."""


@dataclass
class Put:
    """One put of an open file of *size* bytes. *given_up* is set when its caller is cancelled."""

    key: str
    descriptor: int
    size: int
    headers: Mapping[str, Any]
    mark: str = field(default_factory=lambda: secrets.token_hex(16))
    given_up: bool = False

    def give_up(self) -> None:
        self.given_up = True

    @property
    def described(self) -> dict[str, Any]:
        """Key, mark and headers, for the request that makes the object."""
        return {"Key": self.key, "Metadata": {MARK: self.mark}, **self.headers}


class Uploader:
    def __init__(self, client: Client, claims: Claims) -> None:
        self._client = client
        self._claims = claims
        self._conditional: bool | None = None
        """Whether the store heeds `If-None-Match`; `None` until the first put has tried it."""
        self._trying = asyncio.Lock()

    async def put(self, key: str, file: Path, headers: Mapping[str, Any], *, replace: bool) -> None:
        """Stores all of *file* under *key*, with *headers* as botocore names them.

        A put whose caller is cancelled runs to its end; a put in parts only to the end of the current part.
        Raises `KeyExists`, `StorageFull` or `StorageUnavailable`.
        """
        try:
            descriptor, size = await asyncio.to_thread(_opened, file)
        except OSError as error:
            raise translated(error, f"reading what to put under {key}") from error
        put = Put(key, descriptor, size, headers)
        try:
            await to_the_end(self._put(put, replace=replace), when_cancelled=put.give_up)
        finally:
            await asyncio.to_thread(os.close, descriptor)

    async def _put(self, put: Put, *, replace: bool) -> None:
        async with within(put.size / SLOWEST):
            if replace:
                await self._send(put, {})
            elif await self._heeds_conditions():
                await self._send(put, NEW_ONLY)
            else:
                async with self._claims.held(put.key):
                    await self._send(put, {})

    async def _send(self, put: Put, condition: Mapping[str, str]) -> None:
        try:
            await (self._send_parts if put.size > PARTED else self._send_whole)(put, condition)
        except RequestFailed as error:
            taken = error.answer_status == 412
            if not taken and error.answer_code != "NoSuchUpload":
                raise
            if await self._is_there(put):
                return
            if taken:
                raise KeyExists(put.key) from error
            raise

    async def _is_there(self, put: Put) -> bool:
        """Whether the object under the key is the one that *put* made, whose answer was lost."""
        try:
            found = await self._client.call("head_object", Key=put.key)
        except RequestFailed as error:
            if error.is_missing:
                return False
            raise
        return found.get("Metadata", {}).get(MARK) == put.mark

    async def _send_whole(self, put: Put, condition: Mapping[str, str]) -> None:
        body = Body(put.descriptor, 0, put.size)
        sent = body if put.size > AT_ONCE else await body.all()
        await self._client.call("put_object", Body=sent, ContentLength=put.size, **put.described, **condition)

    async def _send_parts(self, put: Put, condition: Mapping[str, str]) -> None:
        """Sends parts. Readers see nothing before the last request makes an object of them."""
        made = await self._client.call("create_multipart_upload", **put.described)
        upload = {"Key": put.key, "UploadId": made["UploadId"]}
        try:
            parts = [await self._send_part(put, upload, start) for start in range(0, put.size, PART)]
            await self._client.call(
                "complete_multipart_upload", **upload, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            await self._abort(upload)
            raise

    async def _send_part(self, put: Put, upload: Mapping[str, str], start: int) -> dict[str, Any]:
        if put.given_up:
            raise asyncio.CancelledError
        number, length = start // PART + 1, min(PART, put.size - start)
        answer = await self._client.call(
            "upload_part", **upload, PartNumber=number, Body=Body(put.descriptor, start, length), ContentLength=length
        )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    # Whether conditions are heeded

    async def _heeds_conditions(self) -> bool:
        async with self._trying:
            if self._conditional is None:
                self._conditional = await self._tried_conditions()
                if not self._conditional:
                    log.warning("the S3 store ignores If-None-Match: new keys are claimed by objects (docs/storage.md)")
            return self._conditional

    async def _tried_conditions(self) -> bool:
        """Returns whether the store refuses to overwrite an existing key, for single puts and for multipart uploads.

        Both are tried, because a store may heed the condition for one of the two only. Only a trial can show it: a
        store that ignores a header does not say so.
        """
        key = CHECK_PREFIX + secrets.token_hex(8)
        try:
            await self._refused("put_object", Key=key, Body=b"", ContentLength=0)
            again = await self._refused("put_object", Key=key, Body=b"", ContentLength=0)
            return again and await self._parts_refused(key)
        except RequestFailed as error:
            if error.answer_code in UNKNOWN_CONDITION:
                return False
            raise
        finally:
            async with cleaning():
                await self._client.call("delete_object", Key=key)

    async def _parts_refused(self, key: str) -> bool:
        upload = {"Key": key, "UploadId": (await self._client.call("create_multipart_upload", Key=key))["UploadId"]}
        try:
            part = await self._client.call("upload_part", **upload, PartNumber=1, Body=b"x", ContentLength=1)
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            return await self._refused("complete_multipart_upload", **upload, MultipartUpload=parts)
        finally:
            await self._abort(upload)

    async def _refused(self, operation: str, **parameters: Any) -> bool:
        try:
            await self._client.call(operation, **parameters, **NEW_ONLY)
        except RequestFailed as error:
            if error.answer_status == 412:
                return True
            raise
        return False

    async def _abort(self, upload: Mapping[str, str]) -> None:
        """Deletes what was sent in parts, if it is no object yet: stores keep unfinished parts, and charge for them."""
        async with cleaning():
            await self._client.call("abort_multipart_upload", **upload)


def _opened(file: Path) -> tuple[int, int]:
    """Opens *file*; returns a descriptor and the size in bytes."""
    descriptor = os.open(file, os.O_RDONLY)
    return descriptor, os.fstat(descriptor).st_size
