"""Views, counted in memory and added to the catalog now and then."""

from collections import Counter

from imges.catalog import Catalog
from imges.errors import CatalogUnavailable
from imges.pictures.background import Background


class Views:
    """The views of this process since they were last added to the catalog."""

    def __init__(self, catalog: Catalog, background: Background) -> None:
        self._catalog = catalog
        self._background = background
        self._counted: Counter[str] = Counter()

    def count(self, image_id: str) -> None:
        """Count one more view of the picture."""
        self._counted[image_id] += 1

    async def flush(self) -> None:
        """Add the counted views to the catalog. It runs to its end if the caller is cancelled: else nobody would know
        whether they were added.

        Raises `CatalogUnavailable`; the views are kept then.
        """
        await self._background.to_the_end(self._add())

    async def _add(self) -> None:
        counted, self._counted = self._counted, Counter()
        try:
            await self._catalog.images.add_views(counted)
        except CatalogUnavailable:
            self._counted.update(counted)
            raise
