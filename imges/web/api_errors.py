"""Errors in the forms of API v1: as JSON, and as one line of text."""

from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from imges.errors import ImgesError
from imges.log import request_id

FORMAT = web.RequestKey("FORMAT", str)
"""The format in which API v1 answers this request, errors included. Other routes do not set it."""


class ErrorForm(Protocol):
    """How an error is written to a client of another host's API."""

    def __call__(self, request: web.Request, error: ImgesError, /) -> web.Response: ...


ERROR_FORM = web.RequestKey("ERROR_FORM", ErrorForm)


def error_message(error: ImgesError) -> str:
    """Returns the message of *error*. If the fault is ours, the request's id follows, to find it in the log."""
    request = request_id.get()
    return f"{error.message} (request {request})" if request and error.status >= 500 else error.message


def error_object(error: ImgesError, message: str | None = None) -> dict[str, object]:
    """Returns *error* as the JSON object of API v1. *message* is that of *error* in another language.

    `context` and `details` are for programs: together they make the sentence again, in any language.
    """
    details = error.details if error.retry_after is None else {"retry_after": error.retry_after} | error.details
    told = {
        "message": message or error_message(error),
        "code": error.code,
        "context": type(error).__name__,
        "details": details,
    }
    return {
        "status_code": error.status,
        "error": told,
        "status_txt": HTTPStatus(error.status).phrase,
    }


def error_json(error: ImgesError, message: str | None = None) -> web.Response:
    """Returns an answer with *error*, or its *message* in another language, as the JSON object of API v1."""
    return web.json_response(error_object(error, message), status=error.status)
