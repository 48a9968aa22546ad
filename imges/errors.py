"""Every error that a user can meet, each with its HTTP status and the code of API v1.

    ImgesError
    ├─ SettingsError                what stops the start (exit status 2)
    ├─ CatalogDiffers               what `imges catalog copy` may find
    ├─ RequestError                 what a client sent or asked for
    │  ├─ access: KeyWrong, KeyUnusable, QuotaUsedUp, GuestsRefused, ForeignForm, Blocked, TooManyRequests,
    │  │           MetricsRefused
    │  ├─ request: UnknownVersion, UnknownAction, MethodNotAllowed, NoSource, Base64ByGet, NotBase64,
    │  │           MalformedBody, CompressedBody, BodyTooSlow, BadParameter
    │  ├─ fetch: UrlRefused, FetchFailed, FetchTimeout
    │  └─ image: FileTooLarge, NotAnImage, FormatRefused, TooLargeImage, Duplicate, ProcessingFailed
    ├─ NotFound, Gone               an address that never was, or is no more
    └─ ServerError                  ours to mend: Busy, CatalogUnavailable (CatalogFull), SpoolUnavailable, DiskReserve,
                                    Internal

The storage protocol adds its own branch in `imges.storage`. Statuses and codes are those of API v1's table of errors
(Chevereto's code where it has one). One middleware turns them into HTTP; nothing else does.
"""

from typing import Any, ClassVar


class ImgesError(Exception):
    """The root: a message for the user, an HTTP *status* and an API v1 *code*.

    `retry_after` (seconds), where it is set, becomes the Retry-After header.
    """

    status: ClassVar[int] = 500
    code: ClassVar[int] = 500
    retry_after: int | None = None

    @property
    def message(self) -> str:
        """What was wrong and, where the user can do something, what."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, from one process to another: most errors make their message from other arguments."""
        return _as_it_was, (type(self), self.args), self.__dict__


def _as_it_was(kind: type[ImgesError], arguments: tuple[Any, ...]) -> ImgesError:
    error = kind.__new__(kind)
    error.args = arguments
    return error


class SettingsError(ImgesError):
    """Settings that cannot be served with; one sentence for each *problem*. Ends the process with exit status 2."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RequestError(ImgesError):
    """Something in the request; sending the same again will not help."""

    status = 400


# Access


class KeyWrong(RequestError):
    status, code = 401, 100

    def __init__(self, message: str = "the API key is missing or wrong; send it as the parameter `key`") -> None:
        super().__init__(message)


class KeyUnusable(RequestError):
    """The key is known but disabled, expired, or its quota is used up."""

    status, code = 403, 105


class QuotaUsedUp(KeyUnusable):
    """One picture more would go beyond the key's number of pictures or bytes."""

    def __init__(self, *, guests: bool = False) -> None:
        super().__init__(
            "the room that this site has for guests' pictures is used up"
            if guests
            else "the quota of this API key is used up; delete pictures that are not needed any more"
        )


class GuestsRefused(RequestError):
    status, code = 403, 105

    def __init__(self, message: str = "this site takes no uploads without an API key") -> None:
        super().__init__(message)


class ForeignForm(RequestError):
    """A form of another site; the upload page takes only its own."""

    status, code = 403, 105

    def __init__(self) -> None:
        super().__init__("this form was sent from another site; open the upload page and send it from there")


class Blocked(RequestError):
    """An address, or a picture, that the site's owner has blocked."""

    status, code = 403, 106

    def __init__(self, what: str) -> None:
        super().__init__(f"this site does not take {what}")


class TooManyRequests(RequestError):
    status, code = 429, 160

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"too many {what}; try again in {retry_after} s")
        self.retry_after = retry_after


class MetricsRefused(RequestError):
    status = code = 403

    def __init__(self) -> None:
        super().__init__("metrics are told to the addresses in server.trusted_proxies alone")


# The request


class UnknownVersion(RequestError):
    status, code = 404, 110

    def __init__(self) -> None:
        super().__init__("there is no such API version; this is API v1, at /api/1/upload")


class UnknownAction(RequestError):
    status, code = 404, 120

    def __init__(self) -> None:
        super().__init__("there is no such API action; API v1 knows `upload`")


class MethodNotAllowed(RequestError):
    status, code = 405, 405

    def __init__(self, allowed: str) -> None:
        super().__init__(f"this address takes {allowed}")
        self.allowed = allowed


class NoSource(RequestError):
    code = 130

    def __init__(self, message: str = "there is no picture in the request; send it as `source`") -> None:
        super().__init__(message)


class Base64ByGet(RequestError):
    code = 130

    def __init__(self) -> None:
        super().__init__("base64 cannot be sent by GET; use POST")


class NotBase64(RequestError):
    code = 120

    def __init__(self) -> None:
        super().__init__("`source` is neither a file, nor base64, nor an http(s) address")


class MalformedBody(RequestError):
    code = 140


class CompressedBody(RequestError):
    status, code = 415, 141

    def __init__(self) -> None:
        super().__init__("compressed request bodies are not taken; send the picture as it is")


class BodyTooSlow(RequestError):
    status, code = 408, 408

    def __init__(self) -> None:
        super().__init__("the request body came too slowly")


class BadParameter(RequestError):
    code = 150


# Upload by URL


class UrlRefused(RequestError):
    code = 122

    def __init__(
        self, message: str = "this address is not fetched; send an http(s) address of a public server"
    ) -> None:
        super().__init__(message)


class FetchFailed(RequestError):
    status, code = 502, 123

    def __init__(self, message: str = "the address did not answer with a picture") -> None:
        super().__init__(message)


class FetchTimeout(FetchFailed):
    status = 504

    def __init__(self) -> None:
        super().__init__("the address took too long to answer")


# The image


class FileTooLarge(RequestError):
    status, code = 413, 313

    def __init__(self, limit: int) -> None:
        super().__init__(f"the file is too large; this site takes up to {limit / 2**20:g} MB")


class NotAnImage(RequestError):
    """Not an image at all, or damaged beyond decoding: it is refused, never repaired."""

    status, code = 415, 311

    def __init__(self, message: str = "the file is not an image, or it is damaged") -> None:
        super().__init__(message)


class FormatRefused(RequestError):
    """An image of a format that is off or unknown here."""

    status, code = 415, 314

    def __init__(self, format: str | None = None) -> None:
        super().__init__(f"this site does not take {format.upper()} images" if format else "this format is not taken")


class TooLargeImage(RequestError):
    """Too many pixels, sides or frames; judged from the header, before any pixel is decoded."""

    status, code = 413, 315


class Duplicate(RequestError):
    status, code = 409, 101

    def __init__(self) -> None:
        super().__init__("you have uploaded this picture before")


class ProcessingFailed(RequestError):
    """A worker died over the image, or it took longer than `images.timeout`."""

    status, code = 422, 320

    def __init__(self, message: str = "the image could not be processed") -> None:
        super().__init__(message)


# Addresses


class NotFound(ImgesError):
    status = code = 404

    def __init__(self) -> None:
        super().__init__("there is nothing at this address")


class Gone(ImgesError):
    """It was here; it was deleted or has expired."""

    status = code = 410

    def __init__(self) -> None:
        super().__init__("this picture has been deleted or has expired")


# Ours to mend


class ServerError(ImgesError):
    """Nothing is wrong with the request."""


class Busy(ServerError):
    status, code = 503, 161
    retry_after = 5

    def __init__(self) -> None:
        super().__init__("the server is busy; try again in a moment")


class CatalogUnavailable(ServerError):
    status, code = 503, 500
    retry_after = 10

    def __init__(self, message: str = "the catalog is out of reach; try again in a moment") -> None:
        super().__init__(message)


class CatalogFull(CatalogUnavailable):
    """The disk of the catalog has no room left; what is there can still be read."""

    status = code = 507
    retry_after = None

    def __init__(self) -> None:
        super().__init__("the server's disk is full")


class CatalogDiffers(ImgesError):
    """A copy of the catalog is not what it was copied from."""

    def __init__(self, table: str, wanted: int, found: int) -> None:
        super().__init__(
            f"the copy differs in {table}: {wanted} rows here, {found} there, or not the same ones; nothing was kept. "
            "Stop everything that uses the catalog, and run it again"
        )


class SpoolUnavailable(ServerError):
    """The data directory cannot be written."""

    status, code = 503, 500
    retry_after = 10

    def __init__(self) -> None:
        super().__init__("uploads cannot be received right now; try again in a moment")


class DiskReserve(ServerError):
    status = code = 507

    def __init__(self) -> None:
        super().__init__("the server's disk is full")


class Internal(ServerError):
    def __init__(self) -> None:
        super().__init__("something went wrong on the server")
