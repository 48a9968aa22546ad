"""What the site's owner does: signs in, searches pictures, deletes many at once, blocks, manages keys."""

from imges.administration.administration import Administration, Overview, Page
from imges.administration.searching import search_of
from imges.administration.sessions import SESSION_LIFE, Session

__all__ = ["SESSION_LIFE", "Administration", "Overview", "Page", "Session", "search_of"]
