"""A picture as JSON of API v1. Order, names and types of its keys are the seed's, the additions Chevereto's."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from imges.bytesize import size_formatted
from imges.catalog.types import Album, Image, StoredFile

_DATE = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class SiteAddresses:
    """What addresses and dates are made with: the *base* of all addresses, and the site's *time_zone*."""

    base: str
    time_zone: ZoneInfo

    def object(self, key: str) -> str:
        """Returns the direct address of an object."""
        return f"{self.base}/images/{quote(key)}"

    def viewer(self, image: Image) -> str:
        return f"{self.base}/image/{image.id}"

    def current(self, image: Image) -> str:
        """Returns the address of the original as it is now, short and without the name of its file."""
        return f"{self.base}/image/{image.id}.{image.extension}"

    def album(self, album: Album) -> str:
        return f"{self.base}/album/{album.id}"

    def deletion(self, image: Image, token: str) -> str:
        return f"{self.base}/image/{image.id}/delete/{token}"


def answer(
    image: Image,
    site: SiteAddresses,
    *,
    kind: str,
    token: str | None,
    now: datetime,
    imgbb: bool,
    removed: tuple[str, ...],
    album: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the JSON answer to an upload; in ImgBB's shape if the picture came in ImgBB's field.

    *removed* is what was taken out of the file that came, *album* the album that the upload named.
    """
    described = image_object(image, site, kind=kind, token=token, now=now) | {"removed": list(removed)}
    if album is not None:
        described["album"] = album
    if imgbb:
        data = _imgbb_data(image, described)
        return {"data": data, "success": True, "status": 200, "status_code": 200, "status_txt": "OK"}
    return {
        "status_code": 200,
        "success": {"message": "image uploaded", "code": 200},
        "image": described,
        "status_txt": "OK",
    }


def _imgbb_data(image: Image, described: dict[str, Any]) -> dict[str, Any]:
    """Returns the `data` of ImgBB's answer. Clients of ImgBB fail without `time`, `expiration` or a title of text."""
    lives = int((image.expires - image.created).total_seconds()) if image.expires else 0
    data = {"id": image.id, **described, "title": image.title or described["name"]}
    if image.medium is None:
        del data["medium"]
    return {**data, "time": str(int(image.created.timestamp())), "expiration": str(lives)}


def image_object(image: Image, site: SiteAddresses, *, kind: str, token: str | None, now: datetime) -> dict[str, Any]:
    """Returns the `image` of the answer. *kind* is the storage's type, *token* the delete token if it may be shown."""
    original = image.original
    filename = original.key.rpartition("/")[2]
    name, url, viewer = _stem(filename), site.object(original.key), site.viewer(image)
    thumb = _file_object(image, image.thumb, site)
    medium = _file_object(image, image.medium, site) if image.medium else None
    shown = image.medium or original
    described: dict[str, Any] = {
        "name": name,
        "extension": image.extension,
        "size": original.size,
        "width": original.width,
        "height": original.height,
        "date": image.created.astimezone(site.time_zone).strftime(_DATE),
        "date_gmt": gmt(image.created),
        "storage_id": None,
        "description": image.description,
        "nsfw": "1" if image.nsfw else "0",
        "md5": original.md5,
        "storage": kind,
        "original_filename": image.original_filename,
        "original_exifdata": json.dumps(image.exif, ensure_ascii=False) if image.exif else None,
        "views": str(image.views),
        "id_encoded": image.id,
        "filename": filename,
        "ratio": ratio(original.width, original.height),
        "size_formatted": size_formatted(original.size),
        "mime": image.media_type,
        "bits": original.bits,
        "channels": original.channels,
        "url": url,
        "url_viewer": viewer,
        "thumb": thumb,
        "medium": medium or dict.fromkeys(thumb),  # so that `medium.url` can be read
        "views_label": "view" if image.views == 1 else "views",
        "display_url": medium["url"] if medium else url,
        "how_long_ago": how_long_ago(image.created, now),
        "title": image.title,
        "url_short": viewer,
        "display_width": shown.width,
        "display_height": shown.height,
        "is_animated": int(image.frames > 1),
        "expiration_date_gmt": gmt(image.expires) if image.expires else None,
        "tags": list(image.tags),
        "image": {
            "filename": filename,
            "name": name,
            "mime": image.media_type,
            "extension": image.extension,
            "url": url,
            "size": original.size,
        },
        "url_current": site.current(image),
    }
    return described if token is None else {**described, "delete_url": site.deletion(image, token)}


def _file_object(image: Image, file: StoredFile, site: SiteAddresses) -> dict[str, Any]:
    filename = file.key.rpartition("/")[2]
    return {
        "filename": filename,
        "name": _stem(filename),
        "width": file.width,
        "height": file.height,
        "ratio": ratio(file.width, file.height),
        "size": file.size,
        "size_formatted": size_formatted(file.size),
        "mime": image.media_type,
        "extension": image.extension,
        "bits": file.bits,
        "channels": file.channels,
        "url": site.object(file.key),
    }


def _stem(filename: str) -> str:
    return filename.rpartition(".")[0]


def gmt(moment: datetime) -> str:
    """Returns *moment* as API v1 writes it, in UTC."""
    return moment.astimezone(UTC).strftime(_DATE)


def ratio(width: int, height: int) -> float:
    """Returns width by height to 13 decimals, or a whole number as such: the seed's 1.2817371937639, and 1."""
    value = round(width / height, 13)
    return int(value) if value == int(value) else value


def how_long_ago(then: datetime, now: datetime) -> str:
    """Returns `moments ago` within the first minute, then `1 minute ago`, `2 hours ago`, …"""
    seconds = (now - then).total_seconds()
    for unit, length in (("year", 31_536_000), ("month", 2_592_000), ("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "moments ago"
