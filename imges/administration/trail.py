"""The trail of what owners did. Each line goes to the log, and to the catalog, where owners read it."""

import logging
from collections.abc import Sequence

from imges.catalog import Catalog, Deed, Trace
from imges.errors import ImgesError

log = logging.getLogger(__name__)

WITH_ADDRESSES = {Deed.BLOCK, Deed.UNBLOCK}
"""What is done to addresses of clients. The log has no such address."""

PAGE = 100
"""Lines on one page."""


class OwnersTrail:
    """Notes what was done, and lists it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def note(self, actor: str, deed: Deed, subject: str = "", count: int | None = None) -> None:
        """Notes that *actor* did *deed* to *subject*, which concerned *count* pictures or blocks.

        Call it after the deed, so that what failed is not noted. If the catalog cannot be written then, the log alone
        has the line: the deed is done, and its page must not report a failure.
        """
        shown = "" if deed in WITH_ADDRESSES else f" {subject}"
        number = "" if count is None else f" ({count})"
        log.info("the owner with the key %s: %s%s%s", actor, deed, shown, number)
        try:
            await self._catalog.trail.add(actor, deed, subject, count)
        except ImgesError:
            log.exception("the trail does not have this line")

    async def page(self, before: int | None) -> tuple[Sequence[Trace], int | None]:
        """Returns the newest lines with a number below *before*, and the number before which older ones follow."""
        found = await self._catalog.trail.page(before=before, limit=PAGE + 1)
        lines = found[:PAGE]
        return lines, lines[-1].number if len(found) > PAGE else None
