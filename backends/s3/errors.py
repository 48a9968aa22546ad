"""What the errors of a store, and of the library that speaks to it, mean to imges.

Clients are told no more than that the storage is out of reach; what the store said stands in the notes, for the log.
The start and `imges check` name the option to look at.
"""

from dataclasses import dataclass
from typing import Any

import aiohttp
from botocore import exceptions, parsers  # pyright: ignore[reportMissingTypeStubs]  (there are none)

from imges.storage import StorageFull, StorageUnavailable

VENDORS: tuple[type[Exception], ...] = (
    exceptions.BotoCoreError,
    exceptions.ClientError,
    parsers.ResponseParserError,
    aiohttp.ClientError,
    OSError,  # sockets, and TimeoutError
    ValueError,  # of an answer that is no XML, or holds no number where one belongs
)
"""All that a request may raise."""

_WAY: tuple[type[Exception], ...] = (
    exceptions.HTTPClientError,
    exceptions.ConnectionError,
    exceptions.IncompleteReadError,
    aiohttp.ClientError,
    OSError,
)
"""The way to the store broke, or it was silent: the same request may succeed in a moment."""

_PASSING_CODES = {
    "ConditionalRequestConflict",  # another request for this key is under way
    "IncompleteBody",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
}
_PASSING_STATUSES = {429, 500, 502, 503, 504}
_FULL_CODES = {"InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"}


@dataclass(frozen=True, slots=True)
class Advice:
    """Which *option* to look at, and what is wrong with it; *lasting* if nothing but the settings can mend it."""

    option: str | None
    problem: str
    lasting: bool = True


_DENIED = Advice("access_key", "these credentials may not do this; they need to list, read, write and delete")
_UNKNOWN = Advice("access_key", "the store does not know this key, or not any more")
_NO_KEY = Advice(
    "access_key",
    "there are no credentials: set access_key and secret_key, or let them be found where the AWS tools find them "
    "(environment, profile, role of the machine)",
)
_REGION = Advice("region", "the bucket is not in this region")
_NO_BUCKET_NAME = Advice("bucket", "no bucket can have this name")
_NOT_S3 = Advice("endpoint_url", "what answers there does not speak S3")
_NOT_SECURE = Advice("endpoint_url", "no secure connection comes about; does it speak https, with a good certificate?")
_NO_ANSWER = Advice("endpoint_url", "nothing answers there; is it right, and does the store run?", lasting=False)

_BY_CODE = {
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AuthorizationHeaderMalformed": _REGION,
    "ExpiredToken": _UNKNOWN,
    "IllegalLocationConstraintException": _REGION,
    "InvalidAccessKeyId": _UNKNOWN,
    "InvalidBucketName": _NO_BUCKET_NAME,
    "InvalidRegion": _REGION,
    "InvalidToken": _UNKNOWN,
    "NoSuchBucket": Advice("bucket", "there is no such bucket at this store; make it, or name another"),
    "PermanentRedirect": _REGION,
    "RequestTimeTooSkewed": Advice(None, "the clocks of this machine and of the store differ too much", lasting=False),
    "SignatureDoesNotMatch": Advice("secret_key", "it does not belong to the access key"),
}
_BY_STATUS = {301: _REGION, 403: _DENIED, 404: _NOT_S3, 405: _NOT_S3}
"""For answers that carry no code that we know."""

_BY_CLASS = (
    (exceptions.ParamValidationError, _NO_BUCKET_NAME),
    ((exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.CredentialRetrievalError), _NO_KEY),
    (exceptions.ProfileNotFound, _NO_KEY),
    (exceptions.SSLError, _NOT_SECURE),
    ((parsers.ResponseParserError, ValueError), _NOT_S3),
    (_WAY, _NO_ANSWER),
)  # fmt: skip


class RequestFailed(StorageUnavailable):
    """A request that had no success: the store's *code* and HTTP *status*, where it gave an answer, and *advice*."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.answer_code, self.answer_status = _answer(error)
        self.advice = _advice(error, self.answer_code, self.answer_status)

    @property
    def is_missing(self) -> bool:
        """No such key; HEAD says no more than 404, also where there is no such bucket."""
        return self.answer_code in {"NoSuchKey", "404"}


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, exceptions.ClientError):
        code, status = _answer(error)
        return code in _PASSING_CODES or (status in _PASSING_STATUSES and code not in _FULL_CODES)
    return isinstance(error, _WAY) and not isinstance(error, exceptions.SSLError)


def translated(error: Exception, request: str) -> RequestFailed | StorageFull:
    """What *error*, one of VENDORS, means to a caller; what the *request* was and how it failed is for the log."""
    code, status = _answer(error)
    meant = StorageFull() if code in _FULL_CODES or status == 507 else RequestFailed(error)
    meant.add_note(f"{request}: {type(error).__name__}: {error}")
    return meant


def _answer(error: Exception) -> tuple[str | None, int | None]:
    if not isinstance(error, exceptions.ClientError):
        return None, None
    answer: dict[str, Any] = getattr(error, "response", {})
    return answer.get("Error", {}).get("Code"), answer.get("ResponseMetadata", {}).get("HTTPStatusCode")


def _advice(error: Exception, code: str | None, status: int | None) -> Advice | None:
    if status is not None:
        unknown = Advice(None, f"the store answers with {status} ({code or 'no code'})", lasting=False)
        return _BY_CODE.get(code or "") or _BY_STATUS.get(status) or unknown
    return next((advice for classes, advice in _BY_CLASS if isinstance(error, classes)), None)
