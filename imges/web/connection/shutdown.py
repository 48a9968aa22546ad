"""Whether the server is about to stop. Everything that answers has to know."""

from dataclasses import dataclass

from aiohttp import web


@dataclass
class Shutdown:
    """Whether the server is about to stop: it is not ready any more, and each answer is its connection's last."""

    begun: bool = False


SHUTDOWN = web.AppKey("SHUTDOWN", Shutdown)


async def close_after_answer(request: web.Request, response: web.StreamResponse) -> None:
    """For `Application.on_response_prepare`: ends the connection with this answer if the server is about to stop."""
    if request.app[SHUTDOWN].begun:
        response.force_close()
        response.headers["Connection"] = "close"  # aiohttp made the headers before it sent this signal
