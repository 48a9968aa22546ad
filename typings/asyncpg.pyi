# What we use of `asyncpg`, which brings no types of its own.

from collections.abc import Mapping

class PostgresError(Exception):
    sqlstate: str | None

class InterfaceError(Exception): ...
class InternalClientError(Exception): ...
class Connection: ...

async def connect(dsn: str, *, timeout: float, server_settings: Mapping[str, str]) -> Connection: ...  # noqa: ASYNC109
