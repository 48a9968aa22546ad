"""What the application holds for its handlers."""

import jinja2
from aiohttp import web

from imges.access import Access
from imges.administration import Administration
from imges.intake import Intake
from imges.service import Service
from imges.settings import Settings
from imges.web.languages import Languages

ADMINISTRATION = web.AppKey("ADMINISTRATION", Administration)
SETTINGS = web.AppKey("SETTINGS", Settings)
SERVICE = web.AppKey("SERVICE", Service)
ACCESS = web.AppKey("ACCESS", Access)
INTAKE = web.AppKey("INTAKE", Intake)
TEMPLATES = web.AppKey("TEMPLATES", jinja2.Environment)
LANGUAGES = web.AppKey("LANGUAGES", Languages)
