"""`/openapi.json`: the API as `openapi.yaml` describes it, with this site's address and prefixes."""

import asyncio
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from aiohttp import web

from imges import __version__
from imges.web.app_keys import SETTINGS
from imges.web.connection.proxies import base_url

WRITTEN_FOR = "/api/"
"""The prefix that stands in the file for all of `api.prefixes`."""


def routes() -> list[web.RouteDef]:
    return [web.get("/openapi.json", description)]


async def description(request: web.Request) -> web.StreamResponse:
    settings = request.app[SETTINGS]
    described = await asyncio.to_thread(described_for, settings.api.prefixes)
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}
    return web.json_response(described | {"servers": [{"url": base_url(request)}]}, headers=headers)


@cache
def described_for(prefixes: tuple[str, ...]) -> dict[str, Any]:
    """Returns the description with the paths that are served under *prefixes*."""
    described: dict[str, Any] = yaml.safe_load(files("imges.web.api").joinpath("openapi.yaml").read_text())
    paths: dict[str, Any] = {}
    for path, item in described["paths"].items():
        if path.startswith(WRITTEN_FOR):
            for prefix in prefixes:
                paths[f"/{prefix}/{path.removeprefix(WRITTEN_FOR)}"] = _named(item, prefix)
        else:
            paths[path] = item
    return {**described, "info": {**described["info"], "version": __version__}, "paths": paths}


def _named(item: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Returns the operations of a path under *prefix*, each with an id that no other operation has."""
    return {
        method: {**operation, "operationId": f"{operation['operationId']}_{prefix.replace('-', '_')}"}
        for method, operation in item.items()
    }
