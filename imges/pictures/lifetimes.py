"""When pictures end: what an uploader or an owner asks for, within what the site allows (`images.expire`)."""

from datetime import UTC, datetime, timedelta

from imges.catalog import GUEST, Image
from imges.errors import BadParameter
from imges.settings.model import Expire

MINUTE = timedelta(minutes=1)

LAST_END = datetime(9999, 1, 1, tzinfo=UTC)
"""No picture expires later: at the end of that year some time zones are past the end of Python's calendar."""


def end_of_upload(limits: Expire, created: datetime, asked: timedelta | None) -> datetime | None:
    """Return when a new picture ends. Raises `BadParameter` for less than a minute or more than the site allows."""
    if asked is None:
        kept = limits.default if limits.default is not None else limits.max
        return None if kept is None else created + kept
    return _end(limits, created, asked)


def end_of_edit(limits: Expire, image: Image, asked: timedelta | None, now: datetime) -> datetime | None:
    """Return when *image* ends if somebody asks for that *now*; `None` asks for no end.

    The longest life of a guest's picture counts from its upload: a guest could else keep it for ever. Raises
    `BadParameter` as `end_of_upload` does.
    """
    if asked is None:
        if limits.max is not None:
            raise _too_long(limits.max)
        return None
    end = _end(limits, now, asked)
    if image.api_key == GUEST and limits.max is not None and end > image.created + limits.max:
        raise _too_long(limits.max)
    return end


def _end(limits: Expire, start: datetime, asked: timedelta) -> datetime:
    if asked < MINUTE:
        raise BadParameter("the expiration is too soon; one minute at least", field="expiration", least=60)
    if limits.max is not None and asked > limits.max:
        raise _too_long(limits.max)
    if asked > LAST_END - start:
        raise BadParameter("expiration: too far away", field="expiration")
    return start + asked


def _too_long(most: timedelta) -> BadParameter:
    longest = str(most).removesuffix(", 0:00:00")
    return BadParameter(
        f"expiration: this site keeps pictures for {longest} at most",
        field="expiration",
        limit=int(most.total_seconds()),
    )
