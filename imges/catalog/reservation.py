"""How a picture gets its rows: one transaction takes a number, an id, three object keys and a part of a quota."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert

from imges.catalog.album_rows import append
from imges.catalog.columns import Moment
from imges.catalog.dialects import skipping_insert
from imges.catalog.old_addresses import keep
from imges.catalog.prepared import Prepared
from imges.catalog.rows import COLUMNS, FIRST_VERSION, api_key_of, columns_of, file_rows, reserved
from imges.catalog.tables import api_keys, images
from imges.catalog.types import GUEST, Image, KeyTaken, NewImage, OldAddress, UploadId
from imges.catalog.unique_keys import KeyHashes, Kind, take
from imges.catalog.upload_ids import take_upload_id
from imges.errors import KeyWrong, QuotaUsedUp

_KEY = api_keys.c
_SIZE = bindparam("size", type_=BigInteger)

_COUNT = (
    update(api_keys)
    .where(_KEY.name == bindparam("key_name"))
    .values(pictures=_KEY.pictures + 1, bytes=_KEY.bytes + _SIZE)
)


def is_alive(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Holds for an API key for which `ApiKey.check_alive` does not raise."""
    return and_(_KEY.enabled, or_(_KEY.expires.is_(None), _KEY.expires > now))


_CHARGE = _COUNT.where(
    is_alive(bindparam("now", type_=Moment)),
    or_(_KEY.quota_pictures.is_(None), _KEY.pictures < _KEY.quota_pictures),
    or_(_KEY.quota_bytes.is_(None), _KEY.bytes + _SIZE <= _KEY.quota_bytes),
)
_CHARGING = Prepared(lambda _: _CHARGE)
_HELD = select(api_keys).where(_KEY.name == bindparam("key_name"))


def _insertion(dialect: str) -> ReturningInsert[tuple[int]]:
    return skipping_insert(dialect, images).returning(images.c.number)


_INSERTING = Prepared(_insertion, COLUMNS)


def reserve(
    connection: Connection,
    new: NewImage,
    *,
    lease: str,
    now: datetime,
    short_id: Callable[[int], str] | None,
    hashes: KeyHashes,
    upload_id: UploadId | None,
) -> Image:
    """See `Images.reserve`.

    The API key is charged last: from then on, all other uploads of that key wait until the transaction ends. Rows are
    locked in the same order as in `removal.remove`, so that transactions do not deadlock.
    """
    number, image_id = _named(connection, new, columns_of(new, lease), short_id, hashes)
    if upload_id is not None:
        take_upload_id(connection, number, upload_id)
    if new.album is not None:
        append(connection, new.album, [number], now)
    _charge(connection, new, now)
    return reserved(new, number, image_id, lease)


def take_in(
    connection: Connection,
    new: NewImage,
    *,
    lease: str | None,
    views: int,
    short_id: Callable[[int], str] | None,
    hashes: KeyHashes,
    old: Sequence[OldAddress] = (),
) -> Image:
    """See `Images.take_in`; the order is that of `reserve`."""
    number, image_id = _named(connection, new, columns_of(new, lease, views), short_id, hashes)
    keep(connection, number, old)
    connection.execute(_COUNT, {"key_name": new.api_key, "size": new.stored_bytes})
    return reserved(new, number, image_id, lease, views)


def _charge(connection: Connection, new: NewImage, now: datetime) -> None:
    """Count the picture to its API key, if that may upload *now*.

    One statement checks and counts, so that parallel uploads cannot exceed a quota. What the caller has read of the
    key may be out of date.
    """
    counted = _CHARGING.run(connection, {"key_name": new.api_key, "size": new.stored_bytes, "now": now})
    if not counted.rowcount:
        row = connection.execute(_HELD, {"key_name": new.api_key}).mappings().one_or_none()
        if row is None:
            raise KeyWrong("the API key has just been revoked")
        api_key_of(row).check_alive(now)
        raise QuotaUsedUp(guests=new.api_key == GUEST)


def _named(
    connection: Connection,
    new: NewImage,
    row: dict[str, Any],
    short_id: Callable[[int], str] | None,
    hashes: KeyHashes,
) -> tuple[int, str]:
    """Insert the *row* of *new* and take its keys. Returns its number and id."""
    number, image_id = _number_and_id(connection, new, row, short_id, hashes)
    wanted: list[tuple[Kind, str]] = [
        ("object key", new.original.key),
        ("object key", new.thumb.key),
        ("object key", new.medium_key),
    ]
    if new.id is not None:
        wanted.append(("id", new.id))
    stored = file_rows(new, number, FIRST_VERSION)
    take(connection, number, {hashes.of(kind, text): (kind, text) for kind, text in wanted}, stored)
    return number, image_id


def _number_and_id(
    connection: Connection,
    new: NewImage,
    row: dict[str, Any],
    short_id: Callable[[int], str] | None,
    hashes: KeyHashes,
) -> tuple[int, str]:
    if new.id is not None:
        inserted = _INSERTING.run(connection, row).fetchone()
        if inserted is None:
            raise KeyTaken("id", new.id)
        return inserted[0], new.id
    if short_id is None:
        raise ValueError("a picture without an id needs short_id")
    return _shortly_named(connection, row, short_id, hashes)


def _shortly_named(
    connection: Connection, row: dict[str, Any], short_id: Callable[[int], str], hashes: KeyHashes
) -> tuple[int, str]:
    """Return a number and the id made from it. Skips numbers whose id an import has brought from elsewhere."""
    while True:
        number = connection.execute(insert(images).returning(images.c.number), row).scalar_one()
        image_id = short_id(number)
        try:
            take(connection, number, {hashes.of("id", image_id): ("id", image_id)})
        except KeyTaken:
            connection.execute(delete(images).where(images.c.number == number))
        else:
            connection.execute(update(images).where(images.c.number == number).values(id=image_id))
            return number, image_id
