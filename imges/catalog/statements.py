"""What several parts of the catalog do with a statement.

A *work* is a function on a connection, as `Database.read` and `Database.write` run it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVarTuple

from sqlalchemy import Connection, Delete, Select, Update, select, update

from imges.catalog.rows import IMAGE, image_of
from imges.catalog.tables import images
from imges.catalog.types import Image, State

T = TypeVarTuple("T")


def count_changed(statement: Update | Delete) -> Callable[[Connection], int]:
    """The work returns how many rows *statement* changed or deleted."""
    return lambda connection: connection.execute(statement).rowcount


def select_images(statement: Select[Any]) -> Callable[[Connection], list[Image]]:
    """The work returns the pictures of *statement*, which selects `rows.IMAGE`."""
    return lambda connection: [image_of(row) for row in connection.execute(statement).mappings()]


def change_images(statement: Update) -> Callable[[Connection], list[Image]]:
    """The work returns the pictures that *statement* changed, as they are after the change."""
    return lambda connection: [image_of(row) for row in connection.execute(statement.returning(*IMAGE)).mappings()]


def claim_images(numbers: Select[Any], **values: Any) -> Callable[[Connection], list[Image]]:
    """The work sets *values* in the rows of *numbers* and returns these pictures.

    PostgreSQL skips rows that another transaction is changing at that moment. The select stands in a CTE: PostgreSQL
    may run a plain subquery once for each row, and then goes beyond its limit.
    """
    some = numbers.with_for_update(skip_locked=True).cte("some")
    return change_images(update(images).where(images.c.number.in_(select(some.c.number))).values(**values))


def newest_first(connection: Connection, numbers: Sequence[int]) -> list[Image]:
    """Return the pictures of these *numbers*, the newest first."""
    statement = select(*IMAGE).where(images.c.number.in_(numbers))
    return select_images(statement.order_by(images.c.created.desc(), images.c.number.desc()))(connection)


def by_index(statement: Select[*T], index: str) -> Select[*T]:
    """Make SQLite run *statement* along *index*. Without statistics it may choose another."""
    return statement.with_hint(images, f"INDEXED BY {index}", "sqlite")


def is_as_it_was(connection: Connection, image: Image) -> bool:
    """Return whether *image* still is published and has the same files in the same place. Locks its row if so.

    PostgreSQL locks first and reads the files in a second statement: the first sees them as they were before it waited
    for another transaction.
    """
    held = select(images.c.number).where(
        images.c.number == image.number, images.c.state == State.PUBLISHED, images.c.place == image.place
    )
    if connection.scalar(held.with_for_update()) is None:
        return False
    (now,) = select_images(select(*IMAGE).where(images.c.number == image.number))(connection)
    return _digests(now) == _digests(image)


def _digests(image: Image) -> dict[str, str]:
    return {role: file.md5 for role, file in image.by_role.items()}
