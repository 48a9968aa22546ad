"""The one place that turns errors into HTTP."""

import asyncio
import logging
from http import HTTPStatus
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler

from imges import metrics
from imges.errors import BodyTooSlow, Busy, FetchFailed, ImgesError, Internal, MalformedBody, MethodNotAllowed, NotFound
from imges.log import log_request, request_id
from imges.web.pages import render
from imges.web.uploads import FORMAT

log = logging.getLogger(__name__)

_CLIENT_GONE = 499
"""The status that proxies log for a client that did not wait; nobody reads it."""


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every exception becomes an answer in the form that the client can read; what is ours is logged."""
    began = perf_counter()
    response = await _answered(request, handler)
    seconds = perf_counter() - began
    log_request(request.method, request.path, response.status, seconds)
    metrics.request(request.method, _route(request), response.status, seconds)
    return response


def _route(request: web.Request) -> str:
    """The router's pattern, such as `/images/{key}`; no client makes up a new one."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ImgesError as error:
        if error.status >= 500:
            # Where it was busy is all the same; what another server did wrong is not ours, and would quote its address.
            cause = None if isinstance(error, Busy | FetchFailed) else error.__cause__
            log.warning("%s %s: %s", request.method, request.path, error, exc_info=cause)
        return error_response(request, error)
    except web.HTTPException as error:
        return _of_aiohttp(request, error)
    except (ConnectionError, asyncio.IncompleteReadError):
        return web.Response(status=_CLIENT_GONE)
    except Exception:
        log.exception("%s %s", request.method, request.path)
        return error_response(request, Internal())


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """The router's own findings in our words; redirects and the rest as they are."""
    if isinstance(error, web.HTTPNotFound):
        return error_response(request, NotFound())
    if isinstance(error, web.HTTPMethodNotAllowed):
        return error_response(request, MethodNotAllowed(", ".join(sorted(error.allowed_methods))))
    if error.status < 400:
        raise error
    return error_response(request, MalformedBody(error.reason))


def error_response(request: web.Request, error: ImgesError) -> web.Response:
    """*error* as JSON or text on the API's routes; elsewhere as a page for browsers and JSON for who asks for it."""
    response = _body(request, error)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = error.allowed
    if isinstance(error, BodyTooSlow):
        response.force_close()
    return response


def error_json(error: ImgesError) -> web.Response:
    """*error* in the shape of API v1."""
    return web.json_response(error_object(error), status=error.status)


def _body(request: web.Request, error: ImgesError) -> web.Response:
    accept = request.headers.get("Accept", "")
    form = request.get(FORMAT) or ("json" if "application/json" in accept else "page")
    if form == "json":
        return error_json(error)
    if form == "page" and "text/html" in accept:
        phrase = HTTPStatus(error.status).phrase
        return render(request, "error.html", status=error.status, error=error, phrase=phrase, message=told(error))
    return web.Response(text=told(error), status=error.status)


def told(error: ImgesError) -> str:
    """The message of *error*; what is ours to mend comes with the request's id, to be found in the log by."""
    request = request_id.get()
    return f"{error.message} (request {request})" if request and error.status >= 500 else error.message


def error_object(error: ImgesError) -> dict[str, object]:
    """*error* as API v1 tells it."""
    return {
        "status_code": error.status,
        "error": {"message": told(error), "code": error.code, "context": type(error).__name__},
        "status_txt": HTTPStatus(error.status).phrase,
    }
