"""The ids that clients give to their uploads: a request that is repeated gets the answer of the first one.

An id is taken in the transaction that reserves the picture's row, and is free again if that row is withdrawn. So no
crash leaves an id without a picture. The id of a deleted picture stays taken until it is forgotten.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from secrets import token_bytes

from sqlalchemy import Connection, bindparam, delete, select

from imges.catalog.database import Database
from imges.catalog.dialects import insert_or_skip
from imges.catalog.rows import IMAGE, image_of
from imges.catalog.statements import count_changed
from imges.catalog.tables import images, upload_ids
from imges.catalog.types import Image, UploadId, UploadIdTaken
from imges.catalog.unique_keys import KeyHashes

PAGE = 500
"""Rows deleted at a time where there may be many."""

TOKEN_SIZE = 24
"""Bytes of a delete token."""

_BY_HASH = (
    select(upload_ids.c.content, upload_ids.c.salt, upload_ids.c.removed, *IMAGE)
    .select_from(upload_ids.outerjoin(images))
    .where(upload_ids.c.hash == bindparam("wanted"))
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier upload with the same id. *image* is its row in any state, `None` if the picture was deleted."""

    content: str
    delete_token: str
    removed: tuple[str, ...]
    image: Image | None


class UploadIds:
    """Makes the rows of upload ids, finds and forgets them. `reservation.reserve` inserts them.

    The id itself is not stored, only a keyed hash of it. The picture's delete token is made of the id, the row's salt
    and the secret of the hashes, so an earlier answer can be given again although the token is not stored.
    """

    def __init__(self, database: Database, hashes: KeyHashes) -> None:
        self._database = database
        self._hashes = hashes

    def new(self, api_key: str, text: str, content: str, created: datetime) -> UploadId:
        """Return the row of the id *text*, given with the API key of this name. *content* is an MD5 digest in hex."""
        salt = token_bytes(16)
        return UploadId(self._hash(api_key, text), content, salt, created, self._token(api_key, text, salt))

    async def find(self, api_key: str, text: str) -> Earlier | None:
        """Return the upload that came with the id *text* and that API key before."""
        wanted = {"wanted": self._hash(api_key, text)}
        row = await self._database.read(
            lambda connection: connection.execute(_BY_HASH, wanted).mappings().one_or_none()
        )
        if row is None:
            return None
        image = None if row["number"] is None else image_of(row)
        return Earlier(row["content"], self._token(api_key, text, row["salt"]), tuple(row["removed"].split()), image)

    async def forget(self, before: datetime) -> None:
        """Delete the ids that came *before*. They are free again."""
        old = select(upload_ids.c.hash).where(upload_ids.c.created < before).limit(PAGE)
        statement = delete(upload_ids).where(upload_ids.c.hash.in_(old))
        while await self._database.write(count_changed(statement)):
            pass

    def _hash(self, api_key: str, text: str) -> bytes:
        return self._hashes.of("upload id", f"{api_key}\0{text}")

    def _token(self, api_key: str, text: str, salt: bytes) -> str:
        derived = self._hashes.of("delete token", f"{salt.hex()}{api_key}\0{text}", TOKEN_SIZE)
        return urlsafe_b64encode(derived).decode()


def take_upload_id(connection: Connection, number: int, upload_id: UploadId) -> None:
    """Give *upload_id* to the picture *number*, in the transaction of the caller. Raises `UploadIdTaken`."""
    row = {
        "hash": upload_id.hash,
        "content": upload_id.content,
        "salt": upload_id.salt,
        "created": upload_id.created,
        "removed": " ".join(upload_id.removed),
        "image": number,
    }
    if connection.execute(insert_or_skip(connection, upload_ids), row).first() is None:
        raise UploadIdTaken
