"""A stored original that no row knows becomes a picture again."""

import secrets
from datetime import UTC, date, datetime, time, tzinfo
from pathlib import Path

from imges.catalog import GUEST, Image, NewImage, StoredFile, utc_now
from imges.errors import FormatRefused, NotAnImage
from imges.imaging import MEDIA_TYPES, Header
from imges.maintenance.context import Context
from imges.maintenance.objects import Copy, fetched
from imges.maintenance.old_keys import OldKey
from imges.maintenance.records import FIRST, is_in_bounds
from imges.pictures.drafts import stored_file, token_hash
from imges.storage import KeyMissing
from imges.storage.places import Place


def described(key: str, file: Copy, header: Header) -> StoredFile:
    """Returns what the catalog keeps of the object *key*, which is *file*."""
    width, height = header.displayed
    return StoredFile(
        key,
        MEDIA_TYPES[header.format],
        file.size,
        file.md5,
        width,
        height,
        header.bits,
        header.channels,
        header.frames,
        file.crc32,
    )


def created_on(day: date | None, modified: datetime | None, zone: tzinfo) -> datetime:
    """Returns *modified* if it was on the *day* of the folder, else the beginning of that day.

    If there is neither a day nor a possible time, returns the present moment.
    """
    if modified is not None and is_in_bounds(modified) and (day is None or modified.astimezone(zone).date() == day):
        return modified
    if day is None:
        return utc_now()
    return max(datetime.combine(day, time(), zone).astimezone(UTC), FIRST)


async def adopt(context: Context, place: Place, name: OldKey, *, modified: datetime) -> Image:
    """Takes in the original *name* of *place*, with the thumb and medium that lie beside it, or with new ones.

    The row is published in one step. Else a sweep could take the objects for those of an upload that broke off.
    Title, expiry, delete link and uploader are unknown: the picture belongs to the guests' key, and it has no delete
    link.

    Raises `NotAnImage`, `FormatRefused`, `ProcessingFailed` or `TooLargeImage` if the original does not decode;
    `KeyTaken`; `KeyMissing`; `StorageError`; `CatalogUnavailable`.
    """
    storing = context.pictures.storing
    async with context.work_folder.folder() as folder:
        original = await fetched(place.storage, name.key, folder / "stored")
        header = await context.pictures.rendering.inspect(original.path)
        thumb, medium = await _derived(context, place, name, original.path, header)
        new = NewImage(
            id=storing.fresh_id(),
            place=place.name,
            created=created_on(name.day, modified, context.settings.site.time_zone),
            original_filename=name.key.rpartition("/")[2],
            original=described(name.key, original, header),
            thumb=thumb,
            medium=medium,
            medium_key=name.medium,
            api_key=GUEST,
            address=None,
            delete_token_hash=token_hash(secrets.token_urlsafe(24)),
            expires=None,  # it may be the only copy, and `images.expire.max` younger than it
        )
        return await storing.adopt(new)


async def _derived(
    context: Context, place: Place, name: OldKey, original: Path, header: Header
) -> tuple[StoredFile, StoredFile | None]:
    """Returns the thumb and the medium that are stored, or makes and stores new ones if one of them is missing."""
    folder = original.parent
    thumb = await _present(context, place, name.thumb, folder / "thumb.stored")
    medium = await _present(context, place, name.medium, folder / "medium.stored")
    needs_medium = header.displayed[0] > context.settings.images.medium.width
    if thumb is not None and (medium is not None or not needs_medium):
        return thumb, medium
    made = await context.pictures.rendering.derive(original, header, folder)
    media_type = MEDIA_TYPES[header.format]
    await place.storage.put(name.thumb, made.thumb.path, media_type=media_type, replace=True)
    if made.medium:
        await place.storage.put(name.medium, made.medium.path, media_type=media_type, replace=True)
    return stored_file(name.thumb, made.thumb), made.medium and stored_file(name.medium, made.medium)


async def _present(context: Context, place: Place, key: str, path: Path) -> StoredFile | None:
    """Returns the stored thumb or medium; `None` if there is none, or it is not a picture."""
    try:
        file = await fetched(place.storage, key, path)
        return described(key, file, await context.pictures.rendering.inspect(path))
    except (KeyMissing, NotAnImage, FormatRefused):
        return None
