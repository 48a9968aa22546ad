"""The use cases of pictures: store, find, count views, delete, sweep. Knows no HTTP.

The command line, the server and the tests use the same ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from imges.catalog import Catalog, utc_now
from imges.imaging import Imaging
from imges.pictures.albums import Albums
from imges.pictures.archiving import Archiving
from imges.pictures.background import Background
from imges.pictures.changing import Changing
from imges.pictures.deleting import Deleting
from imges.pictures.finding import Finding
from imges.pictures.health import Health
from imges.pictures.old_addresses import OldAddresses
from imges.pictures.rendering import Rendering
from imges.pictures.repeating import Repeating
from imges.pictures.storing import Storing
from imges.pictures.sweeping import Sweeping
from imges.pictures.undoing import Undoing
from imges.pictures.views import Views
from imges.settings import Settings
from imges.storage.places import Place


@dataclass(frozen=True, slots=True)
class Pictures:
    """One object for each use case, wired together, beside what they stand on.

    A handler or a job gets the single use cases that it needs.
    """

    catalog: Catalog
    places: Mapping[str, Place]
    lease: str
    """The lease of this process on its pending rows."""
    rendering: Rendering
    storing: Storing
    finding: Finding
    old_addresses: OldAddresses
    views: Views
    changing: Changing
    albums: Albums
    archiving: Archiving
    deleting: Deleting
    sweeping: Sweeping
    health: Health
    background: Background

    @classmethod
    def over(
        cls,
        settings: Settings,
        catalog: Catalog,
        places: Mapping[str, Place],
        imaging: Imaging,
        *,
        lease: str,
        id_key: bytes,
        now: Callable[[], datetime] = utc_now,
    ) -> Self:
        """Return the use cases over *catalog*, *places* and *imaging*; *id_key* is the key of short ids."""
        background = Background()
        undoing = Undoing(catalog, places, lease)
        rendering = Rendering(settings, imaging)
        repeating = Repeating(catalog, now)
        finding = Finding(settings, catalog, places, now)
        deleting = Deleting(catalog, finding, undoing, background, now)
        albums = Albums(catalog, deleting, now)
        return cls(
            catalog=catalog,
            places=places,
            lease=lease,
            rendering=rendering,
            storing=Storing(
                settings,
                catalog,
                places,
                rendering,
                undoing,
                repeating=repeating,
                albums=albums,
                background=background,
                lease=lease,
                id_key=id_key,
                now=now,
            ),
            finding=finding,
            old_addresses=OldAddresses(catalog, now),
            views=Views(catalog, background),
            changing=Changing(settings, catalog, finding, background, now),
            albums=albums,
            archiving=Archiving(settings, catalog, albums.contents, finding, places),
            deleting=deleting,
            sweeping=Sweeping(settings, catalog, places, deleting, undoing, repeating=repeating, lease=lease, now=now),
            health=Health(settings, catalog, places, imaging),
            background=background,
        )
