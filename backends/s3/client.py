"""Requests to one bucket: the one door to aiobotocore, which has no types and knows neither our time nor our errors."""

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
"""Seconds more for taking back what a failed call did; what is left then is the sweep's."""

SILENCE = 3.8
"""Seconds within which the store must begin to answer, or take or give more bytes of a body."""

WAITS = (0.1, 0.3, 0.9)
"""Seconds before the first, second and third retry, at least half of it at random."""

RETRYING = 5.0
"""Seconds after the first try within which a retry may begin: a silent store is waited for twice."""

CONNECTIONS = 250
"""At once. Each picture that is streamed to a slow client holds one."""

_NEXT = {
    "list_objects_v2": {"ContinuationToken": "NextContinuationToken"},
    "list_multipart_uploads": {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"},
}
"""What a list's next page is asked for by, and where the page before tells it."""

_end: ContextVar[float] = ContextVar("end", default=math.inf)
"""When the time of the call that runs is over, by the loop's clock."""


class Answer(dict[str, Any]):
    """What the store answered, by botocore's names. Raises: StorageUnavailable for what should be there and is not."""

    def __missing__(self, name: str) -> NoReturn:
        raise StorageUnavailable("the store's answer is not to be understood")


class Client:
    """An open client of *bucket*, in which it sees only what lies below *folder* (empty, or ending in a slash).

    Every method raises `StorageUnavailable`, of which `RequestFailed` is one, or `StorageFull`, and no other error.
    """

    def __init__(self, raw: Any, bucket: str, folder: str) -> None:
        self._raw = raw
        self._bucket = bucket
        self._folder = folder

    @classmethod
    async def open(cls, options: S3Options) -> Self:
        """No request is made yet, but for credentials that a service hands out. Raises: RequestFailed."""
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
        """The answer to *operation* (`head_object`) on the bucket, retried where that may help.

        How long all of it may take is for the caller to say (`within`).
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
        """The *entries* of all pages of a list, each page asked for when it is needed, within a BUDGET of its own."""
        parameters = {"Prefix": self._folder + prefix}
        while True:
            async with within(BUDGET):
                page = await self.call(operation, **parameters)
            for entry in map(Answer, page.get(entries, ())):
                if entry["Key"].startswith(parameters["Prefix"]):  # SeaweedFS takes // for /
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
        """The next bytes of the body of an answer, at most *size*; none at its end."""
        try:
            async with asyncio.timeout(SILENCE):
                return await stream.read(size)
        except VENDORS as error:
            raise translated(error, "reading a body") from error

    async def presigned(self, key: str, lifetime: timedelta) -> str:
        """An address that gives the object to anybody for that long, in whole seconds."""
        try:
            return await self._raw.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._bucket, "Key": self._folder + key},
                ExpiresIn=int(lifetime.total_seconds()),
            )
        except VENDORS as error:
            raise translated(error, f"presigning {key}") from error


@asynccontextmanager
async def within(seconds: float) -> AsyncGenerator[None]:
    """At most that long, and no longer than what it stands in. Raises: RequestFailed, once the time is over."""
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
    """To take back what was done, in time of its own. What fails is left to the sweep, and hides no other error."""
    with suppress(StorageError, TimeoutError):
        async with asyncio.timeout(CLEANING):
            yield


async def to_the_end(work: Coroutine[Any, Any, None], when_cancelled: Callable[[], None] = lambda: None) -> None:
    """*work*, to its end even if the caller is cancelled, however often; *when_cancelled* may make it a short one."""
    working = asyncio.create_task(work)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        when_cancelled()
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # nobody asks any more what became of it
        raise


@cache
def _models() -> Any:
    """What botocore knows of the services of AWS: megabytes, read once however many places there are."""
    return Loader()


async def _opened(options: S3Options) -> Any:
    """The raw client. What it reads for that, models and the user's files, it reads in threads.

    But for the credentials file of the AWS chain: that one is small, and read once.
    """
    config = AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": options.addressing, "payload_signing_enabled": False},  # else bodies are hashed
        request_checksum_calculation="when_required",
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
    """A small body goes along with its request: to ask first takes as long again."""
    headers = params["headers"]
    if int(headers.get("Content-Length", AT_ONCE + 1)) <= AT_ONCE:
        headers.pop("Expect", None)
