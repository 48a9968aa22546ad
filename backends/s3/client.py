"""Requests to one bucket. Only this module calls aiobotocore, which has no types, and its own timeouts and errors."""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar
from datetime import timedelta
from functools import cache
from typing import Any, NoReturn, Self

from aiobotocore.config import AioConfig  # pyright: ignore[reportMissingTypeStubs]  (there are none)
from aiobotocore.session import AioSession  # pyright: ignore[reportMissingTypeStubs]
from botocore.loaders import Loader  # pyright: ignore[reportMissingTypeStubs]

from imges.storage import StorageError, StorageUnavailable

from .body import AT_ONCE, Body
from .errors import VENDORS, is_passing, translated
from .options import S3Options, folder

BUDGET = 8.0
"""Seconds for a call of the storage protocol, all its requests and retries together."""

CLEANING = 1.5
"""Seconds more in which a failed call takes back what it did. The sweep deletes what is left after that."""

SILENCE = 3.8
"""Seconds in which the store must begin to answer, or take or give more bytes of a body."""

WAITS = (0.1, 0.3, 0.9)
"""Seconds before the first, second and third retry, at most; at random, at least half of it."""

RETRYING = 5.0
"""Seconds after the first try in which a retry may begin, so that a silent store is asked twice and not more."""

CONNECTIONS = 250
"""Connections at once. Each picture that is streamed to a slow client holds one."""

_NEXT = {
    "list_objects_v2": {"ContinuationToken": "NextContinuationToken"},
    "list_multipart_uploads": {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"},
}
"""By list operation: the parameter that asks for the next page, and where the page before gives its value."""

_end: ContextVar[float] = ContextVar("end", default=math.inf)
"""When the time of the running call is over, by the loop's clock. A context variable, because calls are nested."""


class Answer(dict[str, Any]):
    """What the store answered, by botocore's names.

    Raises `StorageUnavailable` if a field is missing: not every store that claims to speak S3 sends them all.
    """

    def __missing__(self, name: str) -> NoReturn:
        raise StorageUnavailable("the store's answer is not to be understood")


class Client:
    """An open client of *bucket*. It sees only what lies below *folder* (empty, or ending in a slash).

    Every method raises `StorageUnavailable` (mostly its `RequestFailed`) or `StorageFull`, and no other error.
    """

    def __init__(self, raw: Any, bucket: str, folder: str) -> None:
        self._raw = raw
        self._bucket = bucket
        self._folder = folder

    @classmethod
    async def open(cls, options: S3Options) -> Self:
        """Makes no request yet, except for credentials that a service of the machine gives. Raises `RequestFailed`."""
        try:
            async with asyncio.timeout(BUDGET):
                raw = await _opened(options)
        except VENDORS as error:
            raise translated(error, "opening the client") from error
        return cls(raw, options.bucket, folder(options))

    @property
    def endpoint_url(self) -> str:
        return self._raw.meta.endpoint_url

    async def close(self) -> None:
        await self._raw.__aexit__(None, None, None)

    async def call(self, operation: str, **parameters: Any) -> Answer:
        """Returns the answer to *operation* (such as `head_object`) on the bucket; retries if that may help.

        The caller limits how long all tries together may take (`within`).
        """
        if "Key" in parameters:
            parameters["Key"] = self._folder + parameters["Key"]
        waits, began = iter(WAITS), time.monotonic()
        while True:
            try:
                return await self._once(operation, parameters)
            except VENDORS as error:
                wait = next(waits, None)
                if wait is None or not is_passing(error) or time.monotonic() - began > RETRYING:
                    raise translated(error, f"{operation} {parameters.get('Key', '')}") from error
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  (so that nodes do not come in step)

    async def pages(self, operation: str, entries: str, prefix: str = "") -> AsyncGenerator[Answer]:
        """The *entries* of all pages of a list. Each page is fetched when it is needed, within a BUDGET of its own."""
        parameters = {"Prefix": self._folder + prefix}
        while True:
            async with within():
                page = await self.call(operation, **parameters)
            for entry in map(Answer, page.get(entries, ())):
                if entry["Key"].startswith(parameters["Prefix"]):  # SeaweedFS reads // in a prefix as /
                    yield Answer(entry, Key=entry["Key"].removeprefix(self._folder))
            if not page.get("IsTruncated"):
                return
            parameters |= {name: page[told] for name, told in _NEXT[operation].items()}

    async def _once(self, operation: str, parameters: dict[str, Any]) -> Answer:
        async with asyncio.timeout(SILENCE) as silence:
            body = parameters.get("Body")
            with body.watched(silence, SILENCE) if isinstance(body, Body) else nullcontext():
                return Answer(await getattr(self._raw, operation)(Bucket=self._bucket, **parameters))

    async def read(self, stream: Any, size: int) -> bytes:
        """Returns the next bytes of the body of an answer, at most *size*; no bytes at its end."""
        try:
            async with asyncio.timeout(SILENCE):
                return await stream.read(size)
        except VENDORS as error:
            raise translated(error, "reading a body") from error

    async def presigned(self, key: str, lifetime: timedelta) -> str:
        """Returns an address that gives the object to anybody for *lifetime*, in whole seconds."""
        try:
            return await self._raw.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._bucket, "Key": self._folder + key},
                ExpiresIn=int(lifetime.total_seconds()),
            )
        except VENDORS as error:
            raise translated(error, f"presigning {key}") from error


@asynccontextmanager
async def within(least: float = 0) -> AsyncGenerator[None]:
    """Limits the block to BUDGET or *least* seconds, whichever is more, and to what an outer `within` has left.

    Raises `RequestFailed` after that.
    """
    seconds = max(BUDGET, least)
    end = min(_end.get(), asyncio.get_running_loop().time() + seconds)
    outer = _end.set(end)
    try:
        async with asyncio.timeout_at(end):
            yield
    except TimeoutError as error:
        raise translated(error, f"all within {seconds} s") from error
    finally:
        _end.reset(outer)


@asynccontextmanager
async def cleaning() -> AsyncGenerator[None]:
    """Gives the block CLEANING seconds of its own to take back what a failed call did.

    Errors in the block are dropped: the sweep deletes what is left, and the error that led here must not be hidden.
    """
    with suppress(StorageError, TimeoutError):
        async with asyncio.timeout(CLEANING):
            yield


async def to_the_end(work: Coroutine[Any, Any, None], when_cancelled: Callable[[], None] = lambda: None) -> None:
    """Runs *work* to its end, even if the caller is cancelled more than once. *when_cancelled* may shorten it."""
    working = asyncio.create_task(work)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        when_cancelled()
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # marks it as seen, or asyncio would log it
        raise


@cache
def _models() -> Any:
    """What botocore knows about the services of AWS: megabytes, read once however many places there are."""
    return Loader()


async def _opened(options: S3Options) -> Any:
    """Makes the raw client. Reads the models and the user's files in threads.

    Only the credentials file of the AWS chain is read in the event loop: it is small, and read once.
    """
    config = AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": options.addressing, "payload_signing_enabled": False},  # or the loop would hash bodies
        request_checksum_calculation="when_required",  # some stores refuse the newer checksums
        response_checksum_validation="when_required",
        max_pool_connections=CONNECTIONS,
        connect_timeout=2,
        read_timeout=60,  # ours is SILENCE
        retries={"total_max_attempts": 1, "mode": "standard"},  # ours are WAITS
        warm_up_loader_caches=True,
    )
    session: Any = AioSession()
    session.register_component("data_loader", _models())
    await asyncio.to_thread(lambda: session.full_config)
    creating = session.create_client(
        "s3",
        endpoint_url=options.endpoint_url,
        region_name=options.region,
        aws_access_key_id=options.access_key,
        aws_secret_access_key=options.secret_key,
        config=config,
    )
    raw = await creating.__aenter__()
    raw.meta.events.register_last("before-call.s3", _do_not_ask)
    return raw


def _do_not_ask(params: dict[str, Any], **_: Any) -> None:
    """Drops `Expect: 100-continue` for a small body: to ask the store first takes as long as to send the body."""
    headers = params["headers"]
    if int(headers.get("Content-Length", AT_ONCE + 1)) <= AT_ONCE:
        headers.pop("Expect", None)
