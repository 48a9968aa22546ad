"""What the errors of a store, and of the libraries that speak to it, mean to imges.

Clients learn only that the storage is out of reach. What the store answered stands in a note of the error, which only
the log shows. The start and `imges check` name the option to look at.
"""

from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from botocore import exceptions, parsers  # pyright: ignore[reportMissingTypeStubs]  (there are none)

from imges.storage import StorageFull, StorageUnavailable

VENDORS: tuple[type[Exception], ...] = (
    exceptions.BotoCoreError,
    exceptions.ClientError,
    parsers.ResponseParserError,
    aiohttp.ClientError,
    HttpProcessingError,
    OSError,  # sockets, and TimeoutError
    ValueError,  # an answer that is no XML, or that holds no number where one belongs
)
"""All that a request may raise. `tests/storage/test_s3_exceptions.py` finds classes that are missing here."""

_WAY: tuple[type[Exception], ...] = (
    exceptions.HTTPClientError,
    exceptions.ConnectionError,
    exceptions.IncompleteReadError,
    aiohttp.ClientError,
    HttpProcessingError,  # a body whose chunks are not well-formed: aiohttp raises it from `read` as it is
    OSError,
)
"""The connection to the store broke, or the store was silent: the same request may succeed in a moment."""

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
    """Which *option* to look at, and what is wrong with it. *lasting*: only other settings can help."""

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
_NOT_SECURE = Advice("endpoint_url", "no secure connection can be made; does it speak https, with a good certificate?")
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
"""For answers without a code that we know, as proxies and servers that are no S3 store send them."""

_BY_CLASS = (
    (exceptions.ParamValidationError, _NO_BUCKET_NAME),
    ((exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.CredentialRetrievalError), _NO_KEY),
    (exceptions.ProfileNotFound, _NO_KEY),
    (exceptions.SSLError, _NOT_SECURE),
    ((parsers.ResponseParserError, ValueError), _NOT_S3),
    (_WAY, _NO_ANSWER),
)  # fmt: skip


class RequestFailed(StorageUnavailable):
    """A request failed. `answer_code` and `answer_status` are the store's, `None` if it gave no answer."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.answer_code, self.answer_status = _answer(error)
        self.advice = _advice(error, self.answer_code, self.answer_status)

    @property
    def is_missing(self) -> bool:
        """Whether the answer was "no such key". An answer to HEAD says only 404, also if the bucket does not exist."""
        return self.answer_code in {"NoSuchKey", "404"}


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, exceptions.ClientError):
        code, status = _answer(error)
        return code in _PASSING_CODES or (status in _PASSING_STATUSES and code not in _FULL_CODES)
    return isinstance(error, _WAY) and not isinstance(error, exceptions.SSLError)


def translated(error: Exception, request: str) -> RequestFailed | StorageFull:
    """What *error*, one of VENDORS, means to a caller. A note for the log names the *request* and the error."""
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
