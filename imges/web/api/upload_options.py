"""The optional fields of an upload, as API v1 names them: what each may hold, and what it means."""

import re
from collections.abc import Mapping
from datetime import timedelta

from imges.errors import BadParameter
from imges.pictures.drafts import UploadOptions

MAX_TITLE, MAX_DESCRIPTION, MAX_TAGS, MAX_TAG = 300, 5000, 50, 100
"""Characters; `MAX_TAGS` is a number of tags."""


SHOWN = 40
"""Characters of a client's own text that a message repeats."""

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
        tags=_tags(fields),
        nsfw=_flag(fields, "nsfw"),
        width=_width(fields, max_width),
        expiration=duration(asked) if (asked := given(fields, "expiration").strip()) else None,
        upload_id=_upload_id(fields, headers),
    )


def _text(fields: Mapping[str, str], name: str, longest: int) -> str | None:
    text = "".join(c for c in given(fields, name) if c in "\n\t" or c.isprintable()).strip()
    if len(text) > longest:
        raise BadParameter(f"{name}: at most {longest} characters", field=name, limit=longest)
    return text or None


def _line(fields: Mapping[str, str], name: str, longest: int) -> str | None:
    text = _text(fields, name, longest)
    return " ".join(text.split()) if text else None


def _tags(fields: Mapping[str, str]) -> tuple[str, ...]:
    listed = (_line(fields, "tags", MAX_TAGS * (MAX_TAG + 2)) or "").split(",")
    tags = tuple(dict.fromkeys(tag for each in listed if (tag := each.strip())))
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in tags):
        raise BadParameter(
            f"tags: at most {MAX_TAGS}, of at most {MAX_TAG} characters each",
            field="tags",
            limit=MAX_TAGS,
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
    shown = "".join(c if c.isprintable() else "?" for c in came[:SHOWN])
    return BadParameter(f"{name} came as `{shown}`; send {wanted}", field=name, **details)


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
