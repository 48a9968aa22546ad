"""The storage protocol over S3, method by method. See `imges.storage.Storage` for what each promises."""

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote

from imges.storage import (
    LONGEST_KEY,
    Address,
    InvalidKey,
    KeyMissing,
    ObjectEntry,
    ObjectStat,
    Storage,
    StorageRefused,
    StorageUnavailable,
    checked_key,
    round_trip,
)

from . import options as settings
from .claims import Claims
from .client import Answer, Client, to_the_end, within
from .errors import RequestFailed
from .options import S3Options
from .reading import Reading
from .upload import Uploader

LIFETIME = timedelta(minutes=10)
"""How long a presigned address is valid. Credentials of a service are renewed at least that long before they end."""

FOR_GOOD = "public, max-age=31536000, immutable"
"""A key is never used again, so its bytes never change."""


class S3Storage(Storage):
    """Objects in a bucket, or in a folder of it."""

    Options: ClassVar[type[Any]] = S3Options

    def __init__(self, options: S3Options, client: Client) -> None:
        self._options = options
        self._client = client
        self._folder = settings.folder(options)
        self._claims = Claims(client)
        self._uploader = Uploader(client, self._claims)

    @classmethod
    async def connect(cls, options: S3Options) -> Self:
        """Checks that the bucket can be listed. Only `check` tries a put: a place of old pictures may be read-only.

        Raises `OptionError`, `StorageRefused` or `StorageUnavailable`.
        """
        settings.check(options)
        with _advising():
            client = await Client.open(options)
            try:
                async with within():
                    await client.call("list_objects_v2", Prefix=settings.folder(options), MaxKeys=1)
            except BaseException:
                await client.close()
                raise
        return cls(options, client)

    async def close(self) -> None:
        await self._client.close()

    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        headers: dict[str, Any] = {"ContentType": media_type, "CacheControl": FOR_GOOD}
        if expires:  # with a date: max-age would count from each download anew
            headers |= {"CacheControl": "public", "Expires": expires}
        await self._uploader.put(self._checked(key), file, headers, replace=replace)

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[AsyncGenerator[bytes]]:
        self._checked(key)
        if stop is not None and stop <= start:
            await self.stat(key)
            yield _nothing()
            return
        async with Reading(self._client, key, start, stop) as reading, aclosing(reading.chunks()) as chunks:
            yield chunks

    async def stat(self, key: str) -> ObjectStat:
        self._checked(key)
        async with within():
            try:
                found = await self._client.call("head_object", Key=key)
            except RequestFailed as error:
                if not error.is_missing:
                    raise
                async with Reading(self._client, key, 0, 1):  # HEAD does not say if it is the bucket that is missing
                    raise KeyMissing(key) from error
        return ObjectStat(
            size=found["ContentLength"],
            modified=found["LastModified"].astimezone(UTC),
            media_type=found.get("ContentType"),
            etag=found["ETag"].strip('"'),
        )

    async def delete(self, key: str) -> None:
        await to_the_end(self._delete(self._checked(key)))

    async def _delete(self, key: str) -> None:
        async with within():
            await self._client.call("delete_object", Key=key)

    async def scan(self, prefix: str = "") -> AsyncGenerator[ObjectEntry]:
        async with aclosing(self._client.pages("list_objects_v2", "Contents", prefix)) as entries:
            async for entry in entries:
                with suppress(InvalidKey):  # a folder's own mark, a claim, or an object of another program
                    modified = entry["LastModified"].astimezone(UTC)
                    yield ObjectEntry(checked_key(entry["Key"]), entry["Size"], modified)

    async def sweep(self, older_than: timedelta) -> None:
        before = datetime.now(UTC) - older_than
        async for upload in self._client.pages("list_multipart_uploads", "Uploads"):
            if upload["Initiated"] <= before:
                await self._abort(upload)
        await self._claims.sweep(before)

    async def _abort(self, upload: Answer) -> None:
        async with within():
            try:
                await self._client.call("abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"])
            except RequestFailed as error:
                if error.answer_code != "NoSuchUpload":  # it was finished since, or another node aborted it
                    raise

    def local_path(self, key: str) -> Path | None:
        checked_key(key)
        return None

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:
        """Returns what `delivery` says: no address (through us), a presigned one, or the public one.

        In a public bucket, a presigned address without its signature is a permanent address. So a picture that expires
        comes through us if its bucket is public.
        """
        self._checked(key)
        if self._options.delivery == "redirect":
            return await self._presigned(key, expires)
        if self._options.delivery == "public" and expires is None:
            return Address(f"{self._public_base()}/{quote(self._folder + key, safe='/~')}")
        return None

    async def _presigned(self, key: str, expires: datetime | None) -> Address | None:
        lifetime = LIFETIME if expires is None else min(LIFETIME, expires - datetime.now(UTC))
        lifetime = timedelta(seconds=int(lifetime.total_seconds()))
        if lifetime <= timedelta(0):
            return None
        async with within():
            return Address(await self._client.presigned(key, lifetime), lifetime)

    def _public_base(self) -> str:
        """What stands before prefix and key in a public address; no slash at its end."""
        if self._options.public_url:
            return self._options.public_url.rstrip("/")
        endpoint, bucket = self._client.endpoint_url.rstrip("/"), self._options.bucket
        if self._options.addressing == "path":
            return f"{endpoint}/{bucket}"
        scheme, _, host = endpoint.partition("://")
        return f"{scheme}://{bucket}.{host}"

    async def check(self) -> None:
        with _advising():
            async with within():
                await round_trip(self)

    def _checked(self, key: str) -> str:
        """Returns *key*. Raises `InvalidKey`, also if it is too long together with the prefix."""
        if len((self._folder + checked_key(key)).encode()) > LONGEST_KEY:
            raise InvalidKey(key)
        return key


@contextmanager
def _advising() -> Generator[None]:
    """Names the option to look at, if the store's error shows which one it is."""
    try:
        yield
    except RequestFailed as error:
        advice = error.advice
        if advice is None:
            raise
        if advice.lasting and advice.option:
            raise StorageRefused(advice.option, advice.problem) from error
        raise StorageUnavailable(advice.problem, option=advice.option) from error


async def _nothing() -> AsyncGenerator[bytes]:
    for chunk in ():
        yield chunk
