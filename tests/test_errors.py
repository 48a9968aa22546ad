"""The hierarchy of errors, and their way from one process to another."""

import pickle
import re

import pytest

from imges import errors
from imges.errors import FileTooLarge, ImgesError, SettingsError, TooManyRequests


def test_the_drawn_tree_shows_every_error_below_its_base():
    drawn: dict[str, str | None] = {}
    path: list[str] = []
    for indent, name in re.findall(r"^    ((?:[│ ]   )*(?:[├└]── )?)(\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = len(indent) // 4
        path[depth:] = [name]
        drawn[name] = path[depth - 1] if depth else None
    classes = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    ours = {name: kind for name, kind in classes.items() if issubclass(kind, ImgesError)}
    assert drawn == {name: None if kind is ImgesError else kind.__mro__[1].__name__ for name, kind in ours.items()}


@pytest.mark.parametrize(
    "error", [TooManyRequests("uploads", 7), FileTooLarge(20 * 2**20), SettingsError("one is wrong", "another is")]
)
def test_an_error_arrives_in_another_process_as_it_was(error: ImgesError):
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert (arrived.message, arrived.retry_after, vars(arrived)) == (error.message, error.retry_after, vars(error))


def test_several_problems_of_settings_are_one_message_of_several_lines():
    error = SettingsError("one is wrong", "another is")
    assert error.problems == ("one is wrong", "another is")
    assert error.message == "one is wrong\nanother is"


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after", "message"),
    [
        (errors.KeyWrong(), 401, 100, None, "the API key is missing or wrong; send it as the parameter `key`"),
        (errors.KeyUnusable("x"), 403, 105, None, "x"),
        (
            errors.QuotaUsedUp(),
            403,
            105,
            None,
            "the quota of this API key is used up; delete pictures that are not needed any more",
        ),
        (
            errors.QuotaUsedUp(guests=True),
            403,
            105,
            None,
            "the room that this site has for guests' pictures is used up",
        ),
        (errors.GuestsRefused(), 403, 105, None, "this site takes no uploads without an API key"),
        (
            errors.ForeignForm(),
            403,
            105,
            None,
            "this form was sent from another site; open the upload page and send it from there",
        ),
        (errors.Blocked("this picture"), 403, 106, None, "this site does not take this picture"),
        (errors.TooManyRequests("uploads", 7), 429, 160, 7, "too many uploads; try again in 7 s"),
        (errors.MetricsRefused(), 403, 403, None, "only the addresses in server.trusted_proxies may read the metrics"),
        (errors.UnknownVersion(), 404, 110, None, "there is no such API version; this is API v1, at /api/1/upload"),
        (errors.UnknownAction(), 404, 120, None, "there is no such API action; API v1 knows `upload`"),
        (errors.MethodNotAllowed("GET, POST"), 405, 405, None, "this address takes GET, POST"),
        (errors.NoSource(), 400, 130, None, "there is no picture in the request; send it as `source`"),
        (errors.Base64ByGet(), 400, 130, None, "base64 cannot be sent by GET; use POST"),
        (errors.NotBase64(), 400, 120, None, "`source` is neither a file, nor base64, nor an http(s) address"),
        (errors.MalformedBody("x"), 400, 140, None, "x"),
        (
            errors.CompressedBody("gzip"),
            415,
            141,
            None,
            "the body came with Content-Encoding: gzip; send the picture without",
        ),
        (errors.BodyTooSlow(), 408, 408, None, "the request body came too slowly"),
        (errors.BadParameter("x"), 400, 150, None, "x"),
        (
            errors.UrlRefused(),
            400,
            122,
            None,
            "this address is not fetched: no public http(s) server has it; send the file itself",
        ),
        (errors.FetchFailed(), 502, 123, None, "the address did not answer with a picture"),
        (errors.FetchTimeout(), 504, 123, None, "the address took too long to answer"),
        (errors.FileTooLarge(20 * 2**20), 413, 313, None, "the file is too large; this site takes up to 20 MB"),
        (errors.NotAnImage(), 415, 311, None, "the file is not an image, or it is damaged"),
        (errors.FormatRefused(), 415, 314, None, "this format is not taken"),
        (errors.FormatRefused("tiff"), 415, 314, None, "this site does not take TIFF images"),
        (errors.TooLargeImage("x"), 413, 315, None, "x"),
        (errors.Duplicate(), 409, 101, None, "you have uploaded this picture before"),
        (errors.ProcessingFailed(), 422, 320, None, "the image could not be processed"),
        (errors.NotFound(), 404, 404, None, "there is nothing at this address"),
        (errors.Gone(), 410, 410, None, "this picture has been deleted or has expired"),
        (errors.Busy(), 503, 161, 5, "the server is busy; try again in a moment"),
        (errors.CatalogUnavailable(), 503, 500, 10, "the catalog is out of reach; try again in a moment"),
        (errors.CatalogFull(), 507, 507, None, "the server's disk is full"),
        (
            errors.CatalogDiffers("images", 5, 4),
            500,
            500,
            None,
            (
                "the copy differs in images: 5 rows here, 4 there, or not the same ones; nothing was kept. "
                "Stop everything that uses the catalog, and run it again"
            ),
        ),
        (errors.SpoolUnavailable(), 503, 500, 10, "uploads cannot be received right now; try again in a moment"),
        (errors.DiskReserve(), 507, 507, None, "the server's disk is full"),
        (errors.Internal(), 500, 500, None, "something went wrong on the server"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ImgesError) else "",
)
def test_clients_rely_on_status_code_and_message(
    error: ImgesError, status: int, code: int, retry_after: int | None, message: str
):
    assert (error.status, error.code, error.retry_after, error.message) == (status, code, retry_after, message)
