"""What the application holds for its handlers."""

from aiohttp import web

from imges.access.access import Access
from imges.administration import Administration
from imges.pictures.albums import Albums
from imges.pictures.archiving import Archiving
from imges.pictures.changing import Changing
from imges.pictures.deleting import Deleting
from imges.pictures.finding import Finding
from imges.pictures.health import Health
from imges.pictures.old_addresses import OldAddresses
from imges.pictures.storing import Storing
from imges.pictures.views import Views
from imges.receiving.intake import Intake
from imges.settings import Settings

ADMINISTRATION = web.AppKey("ADMINISTRATION", Administration)
SETTINGS = web.AppKey("SETTINGS", Settings)
STORING = web.AppKey("STORING", Storing)
FINDING = web.AppKey("FINDING", Finding)
OLD_ADDRESSES = web.AppKey("OLD_ADDRESSES", OldAddresses)
VIEWS = web.AppKey("VIEWS", Views)
ALBUMS = web.AppKey("ALBUMS", Albums)
ARCHIVING = web.AppKey("ARCHIVING", Archiving)
CHANGING = web.AppKey("CHANGING", Changing)
DELETING = web.AppKey("DELETING", Deleting)
HEALTH = web.AppKey("HEALTH", Health)
ACCESS = web.AppKey("ACCESS", Access)
INTAKE = web.AppKey("INTAKE", Intake)
