"""An album as JSON, beside the pictures of API v1; and where its next page begins, as text."""

import base64
import json
from typing import Any

from imges.catalog.types import Album, Place
from imges.errors import BadParameter
from imges.pictures.drafts import MadeAlbum
from imges.web.api.picture_json import SiteAddresses, gmt


def album_object(made: MadeAlbum, site: SiteAddresses) -> dict[str, Any]:
    """Returns the `album` of an answer. The edit token is in the answer that made the album, and in no other."""
    album = made.album
    described: dict[str, Any] = {
        "id_encoded": album.id,
        "name": album.name,
        "url": site.album(album),
        "url_short": f"{site.base}/a/{album.id}",
        "image_count": made.count,
        "description": album.description,
        "privacy": album.privacy,
        "sort": album.sort,
        "date_gmt": gmt(album.created),
        "expiration_date_gmt": gmt(album.expires) if album.expires else None,
    }
    if made.edit_token is not None:
        described |= {"edit_url": f"{site.album(album)}/edit", "edit_token": made.edit_token}
    return described


def written(place: Place | None, album: Album) -> str | None:
    """Returns *place* as the text of `next`, which holds for the present order of *album*."""
    if place is None:
        return None
    text = json.dumps([album.sort, *place])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(text: str, album: Album) -> Place | None:
    """Returns the place that `written` wrote. Raises `BadParameter` if *text* is none of this order."""
    if not text:
        return None
    try:
        match json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))):
            case [str(sort), int() | str() as value, int(number)] if sort == album.sort and abs(number) < 2**63:
                if isinstance(value, str) or abs(value) < 2**63:
                    return value, number
            case _:
                pass
    except (ValueError, RecursionError):
        pass
    raise BadParameter("after: what `next` of the page before says, in the same order", field="after")
