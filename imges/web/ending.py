"""Whether the server is about to stop: what everybody who answers has to know."""

from dataclasses import dataclass

from aiohttp import web


@dataclass
class Ending:
    """Whether the server is about to stop: it is not ready any more, and each answer is its connection's last."""

    begun: bool = False


ENDING = web.AppKey("ENDING", Ending)


async def last_answer(request: web.Request, response: web.StreamResponse) -> None:
    """For `Application.on_response_prepare`."""
    if request.app[ENDING].begun:
        response.force_close()
        response.headers["Connection"] = "close"  # the headers were made before this signal
