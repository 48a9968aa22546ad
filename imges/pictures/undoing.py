"""The way back: failed uploads, deletions, and what a crash left, all by the same code.

Only objects that are byte for byte what the row says are deleted after a failed put: the put may have met an object
that the catalog does not know, perhaps the only copy of a picture after a restore.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from imges.catalog import Catalog, Image, StoredFile
from imges.errors import ImgesError
from imges.pictures.integrity import is_intact
from imges.storage.places import Place, place_named

log = logging.getLogger(__name__)


class Undoing:
    """Undoes uploads and finishes deletions. What cannot be undone at once is kept for `undo_the_rest`."""

    def __init__(self, catalog: Catalog, places: Mapping[str, Place], lease: str) -> None:
        self._catalog = catalog
        self._places = places
        self._lease = lease
        self._unfinished: list[Callable[[], Awaitable[object]]] = []
        self._unconfirmed: set[bytes] = set()

    def add_unconfirmed(self, token_hash: bytes) -> None:
        """Remember the delete token's hash of a row that may have been reserved although the answer was lost."""
        self._unconfirmed.add(token_hash)

    async def undo_upload(self, row: Image, keys: Iterable[str]) -> None:
        """Undo a failed upload, which may have put objects under *keys*.

        If the catalog published the row although its answer was lost, the picture is deleted: its client got an error.
        """
        if not await self.undo_import(row, keys) and (marked := await self._catalog.deletions.begin(row.number)):
            await self.finish_deleting(marked)

    async def undo_import(self, row: Image, keys: Iterable[str]) -> bool:
        """Undo a failed import. Returns False if the row is not pending under our lease: nothing is undone then.

        A row that was published although the answer was lost stays: the next run of the import finds the picture.
        """
        if not await self._catalog.images.withdraw(row.number, lease=self._lease):
            return False
        await self.finish_withdrawing(row, [file for file in row.files() if file.key in keys])
        return True

    async def finish_withdrawing(self, row: Image, files: Iterable[StoredFile]) -> None:
        """Delete those of *files* that are intact, then forget the row."""
        storage = place_named(self._places, row.place).storage
        for key in [file.key for file in files if await is_intact(storage, file)]:
            await storage.delete(key)
        await self._catalog.images.forget(row.number)

    async def finish_deleting(self, row: Image) -> None:
        """Delete all objects of *row*, then leave only the hashes of its keys."""
        storage = place_named(self._places, row.place).storage
        for file in row.files():
            await storage.delete(file.key)
        await self._catalog.deletions.finish(row.number)

    async def now_or_later(self, undo: Callable[[], Awaitable[object]]) -> None:
        """Call *undo* now, and again in `undo_the_rest` if it fails. No other process takes the row. Never raises."""
        try:
            await undo()
        except ImgesError:
            log.exception("a failed upload could not be taken back yet")
            self._unfinished.append(undo)

    async def undo_the_rest(self) -> None:
        """Undo what failed in this process and could not be undone at once. Raises `CatalogUnavailable`."""
        if unconfirmed := frozenset(self._unconfirmed):
            await self._catalog.images.forget_unheard(unconfirmed, lease=self._lease)
            self._unconfirmed -= unconfirmed
        for _ in range(len(self._unfinished)):
            await self.now_or_later(self._unfinished.pop(0))
