"""A stored original that no row knows becomes a picture again."""

import secrets
from datetime import UTC, date, datetime, time, tzinfo
from pathlib import Path

from imges.catalog import GUEST, Image, NewImage, StoredFile, utc_now
from imges.errors import FormatRefused, NotAnImage
from imges.imaging import MEDIA_TYPES, Header
from imges.maintenance.objects import Copy, fetched
from imges.maintenance.old_keys import OldKey
from imges.maintenance.records import FIRST, is_in_bounds
from imges.maintenance.tools import Tools
from imges.service import Place, stored_file, token_hash
from imges.storage import KeyMissing


def described(key: str, file: Copy, header: Header) -> StoredFile:
    """What the catalog keeps of the object *key*, which is *file*."""
    width, height = header.displayed
    return StoredFile(key, file.size, file.md5, width, height, header.bits, header.channels)


def created_on(day: date | None, modified: datetime | None, zone: tzinfo) -> datetime:
    """*modified*, if that was on the *day* of the folder; else the beginning of that day.

    A time that no picture can have, or that nobody can tell (`None`), is none: without a day it is now.
    """
    if modified is not None and is_in_bounds(modified) and (day is None or modified.astimezone(zone).date() == day):
        return modified
    if day is None:
        return utc_now()
    return max(datetime.combine(day, time(), zone).astimezone(UTC), FIRST)


async def adopt(tools: Tools, place: Place, name: OldKey, *, modified: datetime) -> Image:
    """Take the original *name* of *place* in, with the thumb and medium that lie beside it, or new ones.

    The row is published in one step, so that no sweep can take the objects for those of an upload that broke off.
    Title, expiry, delete link and whose it was are not known: it is a guest's, and its delete link is nobody's.

    Raises: NotAnImage, FormatRefused, ProcessingFailed, TooLargeImage where it does not decode; KeyTaken; KeyMissing;
    StorageError, CatalogUnavailable.
    """
    service = tools.service
    async with tools.room.folder() as folder:
        original = await fetched(place.storage, name.key, folder / "stored")
        header = await service.look(original.path)
        thumb = await _present(tools, place, name.thumb, folder / "thumb.stored")
        medium = await _present(tools, place, name.medium, folder / "medium.stored")
        media_type = MEDIA_TYPES[header.format]
        if thumb is None or (medium is None and header.displayed[0] > tools.settings.images.medium.width):
            made = await service.derive(original.path, header, folder)
            thumb, medium = stored_file(name.thumb, made.thumb), None
            await place.storage.put(name.thumb, made.thumb.path, media_type=media_type, replace=True)
            if made.medium:
                medium = stored_file(name.medium, made.medium)
                await place.storage.put(name.medium, made.medium.path, media_type=media_type, replace=True)
        new = NewImage(
            id=service.fresh_id(),
            place=place.name,
            extension=name.extension,
            media_type=media_type,
            created=created_on(name.day, modified, tools.settings.site.time_zone),
            original_filename=name.key.rpartition("/")[2],
            original=described(name.key, original, header),
            thumb=thumb,
            medium=medium,
            medium_key=name.medium,
            frames=header.frames,
            api_key=GUEST,
            address=None,
            delete_token_hash=token_hash(secrets.token_urlsafe(24)),
            expires=None,  # it may be the only copy, and `images.expire.max` younger than it
        )
        return await service.catalog.take_in(new, short_id=service.short_id)


async def _present(tools: Tools, place: Place, key: str, path: Path) -> StoredFile | None:
    """The thumb or medium that lies there already; `None` where there is none, or it is not a picture."""
    try:
        file = await fetched(place.storage, key, path)
        return described(key, file, await tools.service.look(path))
    except (KeyMissing, NotAnImage, FormatRefused):
        return None
