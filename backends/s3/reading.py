"""Reads an object, and continues where the connection broke."""

from collections.abc import AsyncGenerator
from typing import Self

from imges.storage import KeyMissing, StorageUnavailable

from .client import Answer, Client, within
from .errors import RequestFailed

CHUNK = 128 * 1024
"""Bytes that are read at once, at most."""


class Reading:
    """The bytes of *key* from *start* up to, not including, *stop*. `async with` opens it and closes it."""

    def __init__(self, client: Client, key: str, start: int, stop: int | None) -> None:
        self._client = client
        self._key = key
        self._position = start
        self._stop = stop
        self._answer: Answer | None = None
        """The answer that is being read; `None` if the object ends before *start*."""
        self._etag = ""

    async def __aenter__(self) -> Self:
        """Raises `KeyMissing` or `StorageUnavailable`."""
        await self._ask({})
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._answer:
            self._answer["Body"].close()
        self._answer = None

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Gives the bytes. If the connection breaks, asks for the rest, as long as each try brings some bytes.

        A store behind a proxy that closes long connections is then as good as any other. Raises `StorageUnavailable`.
        """
        moved = True
        while self._answer:
            try:
                while chunk := await self._client.read(self._answer["Body"], CHUNK):
                    yield chunk
                    self._position += len(chunk)
                    moved = True
            except RequestFailed:
                if not moved:
                    raise
                moved = False
                await self._take_up()
            else:
                return

    async def _take_up(self) -> None:
        self._close()
        if self._position == self._stop:
            return
        try:
            await self._ask({"IfMatch": self._etag})  # never the rest of another object that replaced this one
        except KeyMissing as error:
            raise StorageUnavailable("an object was deleted while it was read") from error

    async def _ask(self, condition: dict[str, str]) -> None:
        parameters = dict(condition)
        if self._position or self._stop is not None:
            parameters["Range"] = f"bytes={self._position}-{'' if self._stop is None else self._stop - 1}"
        async with within():
            try:
                self._answer = await self._client.call("get_object", Key=self._key, **parameters)
            except RequestFailed as error:
                if error.answer_code == "NoSuchKey":
                    raise KeyMissing(self._key) from error
                if error.answer_status != 416:  # the object ends before the range begins: no bytes
                    raise
                return
        self._etag = self._answer["ETag"]
        # some stores and caches ignore Range and send the whole object: its bytes would be taken for those of the range
        if "Range" in parameters and not self._answer["ContentRange"].startswith(f"bytes {self._position}-"):
            self._close()
            raise StorageUnavailable("the store does not heed ranges")
