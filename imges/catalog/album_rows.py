"""Rows of albums and of the pictures in them, in the transaction of the caller."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, bindparam, insert, or_, select, update

from imges.catalog.columns import EPOCH
from imges.catalog.rows import search_text
from imges.catalog.tables import album_pictures, albums, images
from imges.catalog.types import Album, NewAlbum, Privacy, Sort, State

GAP = 2**16
"""Positions between two milliseconds, so that a picture can be moved between two others."""

STEP = 2**6
"""Positions between two pictures that were added at once."""

_ALBUM = [field.name for field in fields(Album)]


def album_of(row: RowMapping) -> Album:
    kept: dict[str, Any] = {name: row[name] for name in _ALBUM}
    kept["sort"], kept["privacy"] = Sort(kept["sort"]), Privacy(kept["privacy"])
    return Album(**kept)


def row_of(album: NewAlbum | Album) -> dict[str, Any]:
    """Return the row in `albums`, without its number if that is not known yet."""
    row = asdict(album) | {"name_folded": search_text(album.name)}
    if isinstance(album, Album):
        del row["number"]
    return row


def is_shown(now: datetime) -> ColumnElement[bool]:
    """Holds for a row of `images` that an album shows *now*."""
    return and_(images.c.state == State.PUBLISHED, or_(images.c.expires.is_(None), images.c.expires > now))


def position_at(moment: datetime) -> int:
    """Return the position of a picture that is added at this *moment*: later ones come behind it, without a counter."""
    return int((moment - EPOCH).total_seconds() * 1000) * GAP


def append(connection: Connection, album: int, numbers: Sequence[int], now: datetime) -> int:
    """Add the pictures of these *numbers* behind the others, and return how many were not there before.

    Does nothing if the album is gone. The caller keeps its row from being deleted meanwhile only until the commit.
    """
    held = select(albums.c.number).where(albums.c.number == album).with_for_update(read=True, key_share=True)
    if connection.scalar(held) is None:
        return 0
    inside = select(album_pictures.c.image).where(album_pictures.c.album == album, album_pictures.c.image.in_(numbers))
    there = set(connection.scalars(inside))
    new = [number for number in numbers if number not in there]
    first = position_at(now)
    rows = [
        {"album": album, "image": number, "position": first + place * STEP, "added": now}
        for place, number in enumerate(new)
    ]
    if rows:
        connection.execute(insert(album_pictures), rows)
    return len(rows)


def respace(connection: Connection, album: int) -> None:
    """Give all pictures of the album new positions in their present order, `GAP` apart. They end where they ended.

    So a picture that is added later still comes behind them.
    """
    inside = album_pictures.c
    statement = select(inside.image, inside.position).where(inside.album == album)
    rows = connection.execute(statement.order_by(inside.position.desc(), inside.image.desc())).all()
    one = update(album_pictures).where(inside.album == album, inside.image == bindparam("one"))
    values = [{"one": number, "to": rows[0][1] - place * GAP} for place, (number, _) in enumerate(rows)]
    if values:
        connection.execute(one.values(position=bindparam("to")), values)
