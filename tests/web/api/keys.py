"""API keys for tests of the API."""

from imges.access.api_keys import KeyRing
from imges.catalog import Scope
from tests.web.conftest import Server


async def new_key(server: Server, name: str) -> str:
    """Adds an API key of that name; one whose name begins with admin may administer."""
    ring = await KeyRing.open(server.pictures.catalog)
    return await ring.add(name, Scope.ADMIN if name.startswith("admin") else Scope.UPLOAD)
