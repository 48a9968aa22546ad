"""The optional fields of an upload, as API v1 names them: what each may hold, and what it means."""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from imges.catalog.types import Privacy, Sort
from imges.errors import BadParameter
from imges.pictures.albums import AlbumChanges, album_name
from imges.pictures.changing import Changes
from imges.pictures.drafts import MOST_TAGS, AlbumWish, UploadOptions

MAX_TITLE, MAX_DESCRIPTION, MAX_TAG, MAX_PASSWORD = 300, 5000, 100, 200
"""Characters."""


LIKE_A_KEY = 16
"""Characters from which on a value that came may be a key in the wrong place, so that no answer repeats it."""

NOT_GIVEN = {"undefined", "null"}
"""What scripts send for a value that they do not have."""


def given(fields: Mapping[str, str], name: str) -> str:
    """Returns the field *name*, or `""` if it was not sent or holds no value."""
    value = fields.get(name, "")
    return "" if value.strip() in NOT_GIVEN else value


def upload_options(fields: Mapping[str, str], headers: Mapping[str, str], max_width: int) -> UploadOptions:
    """Returns the options in *fields* and *headers*. *max_width* is in pixels.

    Raises `BadParameter` if one of them has a wrong value.
    """
    return UploadOptions(
        title=_line(fields, "title", MAX_TITLE) or _line(fields, "name", MAX_TITLE),
        description=_text(fields, "description", MAX_DESCRIPTION),
        tags=_tags(fields, "tags"),
        nsfw=_flag(fields, "nsfw"),
        width=_width(fields, max_width),
        expiration=duration(asked) if (asked := given(fields, "expiration").strip()) else None,
        upload_id=_upload_id(fields, headers),
        album=_album(fields),
    )


def _album(fields: Mapping[str, str]) -> AlbumWish | None:
    name, album_id = given(fields, "album").strip(), given(fields, "album_id").strip()
    if album_id:
        return AlbumWish(id=album_id, token=given(fields, "album_token").strip() or None)
    return AlbumWish(name=album_name(name)) if name else None


def album_changes_in(fields: Mapping[str, str]) -> AlbumChanges:
    """Returns what *fields* change of an album, as `changes_in` does for a picture."""
    changes = AlbumChanges()
    sent = {name for name, value in fields.items() if value.strip() not in NOT_GIVEN}
    if "name" in sent:
        changes["name"] = album_name(fields["name"])
    if "description" in sent:
        changes["description"] = _text(fields, "description", MAX_DESCRIPTION)
    if "sort" in sent:
        changes["sort"] = _choice(fields, "sort", Sort)
    if "privacy" in sent:
        changes["privacy"] = _choice(fields, "privacy", Privacy)
    if "password" in sent:
        changes["password"] = _password(fields["password"])
    if "cover" in sent:
        changes["cover"] = fields["cover"].strip() or None
    if "expiration" in sent:
        asked = fields["expiration"].strip()
        changes["expiration"] = duration(asked) if asked else None
    return changes


E = TypeVar("E", bound=StrEnum)


def _choice(fields: Mapping[str, str], name: str, choices: type[E]) -> E:
    """Returns the first of *choices* for an empty text."""
    asked = fields[name].strip().lower() or next(iter(choices))
    if asked not in list(choices):
        raise BadParameter(f"{name}: {', '.join(choices)}", field=name)
    return choices(asked)


def _password(text: str) -> str | None:
    if len(text) > MAX_PASSWORD:
        raise BadParameter(f"password: at most {MAX_PASSWORD} characters", field="password", limit=MAX_PASSWORD)
    return text or None


def changes_in(fields: Mapping[str, str]) -> Changes:
    """Returns what *fields* change of a picture. A field that is not there changes nothing, an empty one clears.

    Raises `BadParameter` if a field has a wrong value.
    """
    changes = Changes()
    sent = {name for name, value in fields.items() if value.strip() not in NOT_GIVEN}
    if "title" in sent:
        changes["title"] = _line(fields, "title", MAX_TITLE)
    if "description" in sent:
        changes["description"] = _text(fields, "description", MAX_DESCRIPTION)
    if "nsfw" in sent:
        changes["nsfw"] = _flag(fields, "nsfw")
    if "expiration" in sent:
        asked = fields["expiration"].strip()
        changes["expiration"] = duration(asked) if asked else None
    for name in ("tags", "tags_add", "tags_remove"):
        if name in sent:
            changes[name] = _tags(fields, name)
    return changes


def _text(fields: Mapping[str, str], name: str, longest: int) -> str | None:
    text = "".join(c for c in given(fields, name) if c in "\n\t" or c.isprintable()).strip()
    if len(text) > longest:
        raise BadParameter(f"{name}: at most {longest} characters", field=name, limit=longest)
    return text or None


def _line(fields: Mapping[str, str], name: str, longest: int) -> str | None:
    text = _text(fields, name, longest)
    return " ".join(text.split()) if text else None


def _tags(fields: Mapping[str, str], name: str) -> tuple[str, ...]:
    listed = (_line(fields, name, MOST_TAGS * (MAX_TAG + 2)) or "").split(",")
    tags = tuple(dict.fromkeys(tag for each in listed if (tag := each.strip())))
    if len(tags) > MOST_TAGS or any(len(tag) > MAX_TAG for tag in tags):
        raise BadParameter(
            f"{name}: at most {MOST_TAGS}, of at most {MAX_TAG} characters each",
            field=name,
            limit=MOST_TAGS,
            longest=MAX_TAG,
        )
    return tags


def _flag(fields: Mapping[str, str], name: str) -> bool:
    asked = given(fields, name).strip().lower()
    if asked in {"", "0", "false", "off", "no"}:
        return False
    if asked in {"1", "true", "on", "yes"}:
        return True
    raise _bad(name, asked, "0 or 1")


def _bad(name: str, came: str, wanted: str, **details: int) -> BadParameter:
    plain = "".join(c if c.isprintable() else "?" for c in came)
    shown = f"`{plain}`" if len(came) < LIKE_A_KEY else f"a text of {len(came)} characters"
    return BadParameter(f"{name} came as {shown}; send {wanted}", field=name, **details)


def _width(fields: Mapping[str, str], most: int) -> int | None:
    asked = given(fields, "width").strip()
    if not asked:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", asked) or not 1 <= int(asked) <= most:
        raise _bad("width", asked, f"a whole number of pixels, 1 to {most}", limit=most)
    return int(asked)


_UPLOAD_ID = re.compile(r"[\x21-\x7e]{22,200}")
"""An id that nobody guesses: 128 random bits have 22 characters in base64, 32 as a UUID without its hyphens."""


def _upload_id(fields: Mapping[str, str], headers: Mapping[str, str]) -> str | None:
    name = "Idempotency-Key" if "Idempotency-Key" in headers else "upload_id"
    asked = headers.get("Idempotency-Key", given(fields, "upload_id")).strip()
    if not asked:
        return None
    if not _UPLOAD_ID.fullmatch(asked):
        raise BadParameter(
            f"{name}: 22 to 200 letters, digits and signs, made at random for each picture, such as a UUID; "
            f"{len(asked)} came",
            field=name,
            least=22,
            limit=200,
        )
    return asked


_DURATION = re.compile(
    r"P(?=.)(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?"
    r"(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?",
    re.IGNORECASE | re.ASCII,
)
_DURATION_UNITS = tuple(timedelta(seconds=s) for s in (31_536_000, 2_592_000, 604_800, 86_400, 3600, 60, 1))


def duration(text: str) -> timedelta:
    """Returns the length of time that *text* names.

    It is an ISO 8601 duration (`PT5M`, `P3D`; a month is 30 days, a year 365), or a number of seconds, as ImgBB takes
    it; programs that calculate it send decimals. Raises `BadParameter` if it is neither, or too long.
    """
    try:
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{0,12})?", text, re.ASCII):
            return timedelta(seconds=float(text))
        if found := _DURATION.fullmatch(text):
            counts = (int(count or 0) for count in found.groups())
            return sum((unit * count for unit, count in zip(_DURATION_UNITS, counts, strict=True)), timedelta())
    except OverflowError as error:
        raise BadParameter("expiration: too far away", field="expiration") from error
    raise _bad("expiration", text, "a duration such as PT5M or P3D, or a number of seconds")
