"""How a picture's row is deleted, in the transaction of the caller."""

from sqlalchemy import Connection, delete, select, update

from imges.catalog.tables import api_keys, images, old_addresses, unique_keys, upload_ids
from imges.catalog.types import State


def remove(connection: Connection, number: int, state: State, *, free_keys: bool) -> None:
    """Delete the row if it is in *state*, and subtract it from what its API key has used.

    With *free_keys* its hashes, its upload id and its old addresses are deleted too, so that another picture can have
    them. Without it they stay as tombstones. Does nothing if there is no such row.
    """
    found = connection.execute(
        select(images.c.api_key, images.c.stored_bytes)
        .where(images.c.number == number, images.c.state == state)
        .with_for_update()
    ).one_or_none()
    if found is None:
        return
    if free_keys:
        connection.execute(delete(unique_keys).where(unique_keys.c.image == number))
        connection.execute(delete(upload_ids).where(upload_ids.c.image == number))
        connection.execute(delete(old_addresses).where(old_addresses.c.image == number))
    connection.execute(delete(images).where(images.c.number == number))
    name, size = found
    connection.execute(
        update(api_keys)
        .where(api_keys.c.name == name)
        .values(pictures=api_keys.c.pictures - 1, bytes=api_keys.c.bytes - size)
    )
