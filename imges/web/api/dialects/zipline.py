"""Zipline's upload (version 4): people who have left it keep their ShareX files."""

import re
from datetime import UTC, datetime

from aiohttp import web

from imges.errors import BadParameter, ImgesError
from imges.web.api.dialects.speaking import KEY_IN_PATH, begin, take, told_url
from imges.web.api.upload_form import UploadForm
from imges.web.api_errors import error_message

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "mo": 2_592_000, "y": 31_536_000}
"""Seconds of the units that Zipline's times have."""


def routes() -> list[web.RouteDef]:
    """The upload is at `/api/upload` too; see `speaking.zipline_or_old_lsky`."""
    return [
        web.post(f"/zipline/{{{KEY_IN_PATH}}}/api/upload", upload),
        web.post("/api/upload/partial", in_parts),
        web.post(f"/zipline/{{{KEY_IN_PATH}}}/api/upload/partial", in_parts),
    ]


async def upload(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    ends = request.headers.get("x-zipline-deletes-at", "").strip()
    fields = {"expiration": f"{_seconds(ends)}"} if ends and ends != "never" else None
    uploaded = await take(request, UploadForm.of_query(request), fields=fields)
    image, url = uploaded.image, told_url(request, uploaded.image)
    if request.headers.get("x-zipline-no-json", "").lower() == "true":
        return web.Response(text=url)
    told: dict[str, object] = {
        "files": [{"id": image.id, "name": image.original.key.rpartition("/")[2], "type": image.media_type, "url": url}]
    }
    if image.expires is not None:
        told["deletesAt"] = image.expires.isoformat()
    return web.json_response(told)


async def in_parts(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    raise BadParameter("uploads in parts are not taken here: switch chunked uploads off in your client")


def _seconds(text: str) -> int:
    """Returns the seconds that a picture is to be kept. Raises `BadParameter` if *text* says no such time."""
    if found := re.fullmatch(r"([0-9]{1,6})\s*(s|m|h|d|w|mo|y)", text):
        return int(found[1]) * UNITS[found[2]]
    try:
        ends = datetime.fromisoformat(text.removeprefix("date="))
    except ValueError:
        raise BadParameter("x-zipline-deletes-at: a time such as 1d or 12h, date=2030-01-01T00:00Z, or never") from None
    return max(0, int((ends.replace(tzinfo=ends.tzinfo or UTC) - datetime.now(UTC)).total_seconds()))


def _error(_: web.Request, error: ImgesError) -> web.Response:
    told = {"error": error_message(error), "statusCode": error.status, "message": error_message(error)}
    return web.json_response(told, status=error.status)
