"""The one place that turns errors into HTTP."""

import asyncio
import logging
from http import HTTPStatus
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler

from imges import metrics
from imges.errors import BodyTooSlow, Busy, FetchFailed, ImgesError, Internal, MalformedBody, MethodNotAllowed, NotFound
from imges.log import log_request
from imges.web.api_errors import ERROR_FORM, FORMAT, error_json, error_message
from imges.web.app_keys import SETTINGS
from imges.web.pages.rendering import language, render
from imges.web.pages.sentences import in_language

log = logging.getLogger(__name__)

_CLIENT_GONE = 499
"""The status that proxies log if a client closed the connection before the answer. No client receives it."""


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every exception into an answer in a form that the client reads. Logs the faults that are ours."""
    began = perf_counter()
    response = await _answered(request, handler)
    seconds = perf_counter() - began
    log_request(request.method, request.path, response.status, seconds)
    metrics.request(request.method, _route(request), response.status, seconds)
    return response


def _route(request: web.Request) -> str:
    """Returns the router's pattern, such as `/images/{key}`. A client cannot make up a new one."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ImgesError as error:
        if error.status >= 500:
            # Where it was busy says nothing. A failed fetch is another server's fault, and would quote its address.
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
    """Returns an error of the router in our words. Raises *error* again if it is a redirect."""
    if isinstance(error, web.HTTPNotFound):
        return error_response(request, _for_uploaders(request, NotFound()))
    if isinstance(error, web.HTTPMethodNotAllowed):
        refused = MethodNotAllowed(", ".join(sorted(error.allowed_methods)))
        return error_response(request, _for_uploaders(request, refused))
    if error.status < 400:
        raise error
    return error_response(request, MalformedBody(error.reason))


def _for_uploaders(request: web.Request, error: ImgesError) -> ImgesError:
    """Returns *error*, which also says where pictures are uploaded if it answers a POST to a wrong address."""
    if request.method == "POST":
        prefix = request.app[SETTINGS].api.prefixes[-1]
        error.args = (f"{error.message}; pictures are uploaded to /{prefix}/1/upload",)
    return error


def error_response(request: web.Request, error: ImgesError) -> web.Response:
    """Returns *error* as JSON or text on the API's routes; elsewhere also as a page, by `Accept`."""
    response = _body(request, error)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = error.allowed
    if isinstance(error, BodyTooSlow):
        response.force_close()
    return response


def _body(request: web.Request, error: ImgesError) -> web.Response:
    if (written := request.get(ERROR_FORM)) is not None:
        return written(request, error)
    accept = request.headers.get("Accept", "")
    form = request.get(FORMAT) or ("json" if "application/json" in accept else "page")
    if form == "json":
        is_page = request.path == "/" and FORMAT not in request
        return error_json(error, in_language(error, language(request)) if is_page else None)
    if form == "page" and "text/html" in accept:
        phrase = HTTPStatus(error.status).phrase
        return render(
            request, "error.html", status=error.status, error=error, phrase=phrase, message=error_message(error)
        )
    return web.Response(text=error_message(error), status=error.status)
