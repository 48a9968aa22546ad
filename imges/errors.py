"""Every error that a user can meet, each with its HTTP status and the code of API v1.

    ImgesError
    ├── SettingsError                  stops the start (exit status 2)
    ├── RequestError                   something in the request
    │   ├── KeyWrong                   access
    │   ├── KeyUnusable
    │   │   └── QuotaUsedUp
    │   ├── GuestsRefused
    │   ├── ForeignForm
    │   ├── Blocked
    │   ├── TooManyRequests
    │   ├── MetricsRefused
    │   ├── UnknownVersion             the request itself
    │   ├── UnknownAction
    │   ├── MethodNotAllowed
    │   ├── NoSource
    │   ├── Base64ByGet
    │   ├── NotBase64
    │   ├── MalformedBody
    │   ├── CompressedBody
    │   ├── BodyTooSlow
    │   ├── BadParameter
    │   ├── UrlRefused                 upload by URL
    │   ├── FetchFailed
    │   │   └── FetchTimeout
    │   ├── FileTooLarge               the picture
    │   ├── NotAnImage
    │   ├── FormatRefused
    │   ├── TooLargeImage
    │   ├── Duplicate
    │   └── ProcessingFailed
    ├── NotFound                       an address that never existed
    ├── Gone                           an address that existed
    ├── ServerError                    nothing is wrong with the request
    │   ├── Busy
    │   ├── CatalogUnavailable
    │   │   └── CatalogFull
    │   ├── SpoolUnavailable
    │   ├── DiskReserve
    │   └── Internal
    └── CatalogDiffers                 a copy of the catalog that is not complete

The storage protocol adds its own branch in `imges.storage`, the use cases of pictures theirs in `pictures/refusals`.
Statuses and codes are those of API v1's table of errors (Chevereto's code where it has one). One middleware turns
errors into HTTP answers.
"""

from typing import Any, ClassVar


class ImgesError(Exception):
    """The root of our errors: a message for the user, an HTTP *status* and an API v1 *code*.

    `retry_after` (seconds) becomes the header Retry-After if it is set.
    """

    status: ClassVar[int] = 500
    code: ClassVar[int] = 500
    retry_after: int | None = None

    def __init__(self, *message: str, **details: Any) -> None:
        super().__init__(*message)
        self.details: dict[str, Any] = details
        """The values in the message, for programs that say it in another language. JSON can hold them."""

    @property
    def message(self) -> str:
        """What is wrong and, if the user can do something about it, what."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the finished error, for another process.

        Most classes make their message from other arguments, so the default would call them with the message.
        """
        return _as_it_was, (type(self), self.args), self.__dict__


def _as_it_was(kind: type[ImgesError], arguments: tuple[Any, ...]) -> ImgesError:
    error = kind.__new__(kind)
    error.args = arguments
    return error


class SettingsError(ImgesError):
    """Settings with which imges cannot serve, one sentence for each *problem*. The command exits with 2."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RequestError(ImgesError):
    """Something is wrong with the request. Sending it again does not help."""

    status = 400


# Access


class KeyWrong(RequestError):
    status, code = 401, 100

    def __init__(self, message: str = "the API key is missing or wrong; send it as the parameter `key`") -> None:
        super().__init__(message)


class KeyUnusable(RequestError):
    """The API key exists but is disabled or expired, its quota is used up, or its scope does not suffice."""

    status, code = 403, 105


class QuotaUsedUp(KeyUnusable):
    """The API key has no pictures or bytes left."""

    def __init__(self, *, guests: bool = False) -> None:
        super().__init__(
            "the room that this site has for guests' pictures is used up"
            if guests
            else "the quota of this API key is used up; delete pictures that are not needed any more",
            guests=guests,
        )


class GuestsRefused(RequestError):
    status, code = 403, 105

    def __init__(self, message: str = "this site takes no uploads without an API key") -> None:
        super().__init__(message)


class ForeignForm(RequestError):
    """A form that another site has sent in a visitor's browser. The upload page accepts only its own form."""

    status, code = 403, 105

    def __init__(
        self, message: str = "this form was sent from another site; open the upload page and send it from there"
    ) -> None:
        super().__init__(message)


class Blocked(RequestError):
    """The site's owner has blocked this client address or this picture."""

    status, code = 403, 106

    def __init__(self, what: str) -> None:
        super().__init__(f"this site does not take {what}", what=what)


class TooManyRequests(RequestError):
    status, code = 429, 160

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"too many {what}; try again in {retry_after} s", what=what)
        self.retry_after = retry_after


class MetricsRefused(RequestError):
    status = code = 403

    def __init__(self) -> None:
        super().__init__("only the addresses in server.trusted_proxies may read the metrics")


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
        super().__init__(f"this address takes {allowed}", allowed=allowed.split(", "))
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

    def __init__(self, coding: str) -> None:
        super().__init__(f"the body came with Content-Encoding: {coding}; send the picture without", coding=coding)


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
        self, message: str = "this address is not fetched: no public http(s) server has it; send the file itself"
    ) -> None:
        super().__init__(message)


class FetchFailed(RequestError):
    status, code = 502, 123

    def __init__(self, message: str = "the address did not answer with a picture", **details: Any) -> None:
        super().__init__(message, **details)


class FetchTimeout(FetchFailed):
    status = 504

    def __init__(self) -> None:
        super().__init__("the address took too long to answer")


# The image


class FileTooLarge(RequestError):
    status, code = 413, 313

    def __init__(self, limit: int) -> None:
        super().__init__(f"the file is too large; this site takes up to {limit / 2**20:g} MB", limit=limit)


class NotAnImage(RequestError):
    """The file is not an image, or cannot be decoded. It is refused, never repaired."""

    status, code = 415, 311

    def __init__(self, message: str = "the file is not an image, or it is damaged") -> None:
        super().__init__(message)


class FormatRefused(RequestError):
    """The image has a format that is switched off or unknown."""

    status, code = 415, 314

    def __init__(self, format: str | None = None) -> None:
        many = format is not None and format.endswith("s") and not format.isupper()  # such as "videos"
        kind = "this format" if format is None else format if many else f"{format.upper()} images"
        message = f"{kind} is not taken" if format is None else f"this site does not take {kind}"
        super().__init__(message, format=format)


class TooLargeImage(RequestError):
    """The image has too many pixels or frames, or too long a side. Its header says so: no pixel was decoded."""

    status, code = 413, 315


class Duplicate(RequestError):
    status, code = 409, 101

    def __init__(self) -> None:
        super().__init__("you have uploaded this picture before")


class ProcessingFailed(RequestError):
    """The worker that decoded the image died, or took longer than `images.timeout`."""

    status, code = 422, 320
    out_of_time = False
    """Whether it took longer. Such an upload counts as several (`Access.charge_upload`)."""

    def __init__(self, message: str = "the image could not be processed") -> None:
        super().__init__(message)


# Addresses


class NotFound(ImgesError):
    status = code = 404

    def __init__(self) -> None:
        super().__init__("there is nothing at this address")


class Gone(ImgesError):
    """The picture of this address was deleted or has expired."""

    status = code = 410

    def __init__(self) -> None:
        super().__init__("this picture has been deleted or has expired")


# Errors of the server


class ServerError(ImgesError):
    """The server failed. Nothing is wrong with the request."""


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
    """The disk of the catalog is full. The catalog can still be read."""

    status = code = 507
    retry_after = None

    def __init__(self) -> None:
        super().__init__("the server's disk is full")


class CatalogDiffers(ImgesError):
    """A copy of the catalog differs from the original (`imges catalog copy`)."""

    def __init__(self, table: str, wanted: int, found: int) -> None:
        super().__init__(
            f"the copy differs in {table}: {wanted} rows here, {found} there, or not the same ones; nothing was kept. "
            "Stop everything that uses the catalog, and run it again"
        )


class SpoolUnavailable(ServerError):
    """The spool in the data folder cannot be written."""

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
