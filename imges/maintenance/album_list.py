"""`albums.jsonl` beside the list of pictures in an export: a JSON object for each album, one a line."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from imges.catalog import Album, AlbumGone, AlbumNameTaken, Catalog, Cursor, KeyTaken, NewAlbum, Privacy, Sort, utc_now
from imges.durable import PRIVATE, move_over
from imges.errors import ImgesError
from imges.maintenance.context import Context
from imges.maintenance.records import End, Moment, NotARecord, Text, digest_bytes

LIST = "albums.jsonl"

PAGE = 500
"""Albums, or pictures of one, that are read or added at a time."""

Secret = Annotated[bytes, PlainValidator(digest_bytes)]


@dataclass(frozen=True, slots=True)
class AlbumRecord:
    """One line: the row of an album, and the ids of its pictures in their order."""

    id: Annotated[str, Field(pattern="^[0-9A-Za-z]{1,64}$")]
    api_key: Text
    name: Annotated[Text, Field(min_length=1, max_length=200)]
    created: Moment
    description: Text | None = None
    expires: End | None = None
    sort: Annotated[Sort, Field(strict=False)] = Sort.ADDED
    privacy: Annotated[Privacy, Field(strict=False)] = Privacy.UNLISTED
    password: Secret | None = None
    edit_token_hash: Secret | None = None
    cover: Text | None = None
    pictures: tuple[Text, ...] = ()

    def new(self) -> NewAlbum:
        """Returns the album to make."""
        names = ("id", "api_key", "name", "created", "description", "expires", "sort", "privacy")
        values: dict[str, Any] = {name: getattr(self, name) for name in (*names, "password", "edit_token_hash")}
        return NewAlbum(**values)


_RECORD = TypeAdapter(AlbumRecord)


async def take_out(context: Context, folder: Path) -> None:
    """Writes the list of all albums to *folder*, whole or not at all. Raises `OSError`."""
    part = folder / f"{LIST}.part"
    await asyncio.to_thread(part.unlink, missing_ok=True)
    opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(opened, "w", encoding="utf-8") as lines:
        async for album in _albums(context.catalog):
            lines.write(json.dumps(await _described(context.catalog, album)) + "\n")
    await asyncio.to_thread(move_over, part, folder / LIST)


async def _albums(catalog: Catalog) -> AsyncGenerator[Album]:
    last: Cursor | None = None
    while page := await catalog.albums.page(api_key=None, now=utc_now(), limit=PAGE, older_than=last):
        for album in page:
            yield album
        last = Cursor(page[-1].created, page[-1].number)


async def _described(catalog: Catalog, album: Album) -> dict[str, Any]:
    found: list[str] = []
    cover, after = None, None
    while True:
        in_order = replace(album, sort=Sort.ADDED)
        images, after = await catalog.album_pictures.page(in_order, utc_now(), limit=PAGE, after=after)
        found += [image.id for image in images]
        cover = next((image.id for image in images if image.number == album.cover), cover)
        if after is None:
            break
    described: dict[str, Any] = {"id": album.id, "api_key": album.api_key, "name": album.name}
    described |= {"created": album.created.isoformat(), "expires": album.expires and album.expires.isoformat()}
    described |= {"description": album.description, "sort": album.sort, "privacy": album.privacy, "cover": cover}
    described |= {name: value and value.hex() for name, value in _secrets(album).items()}
    return {name: value for name, value in described.items() if value is not None} | {"pictures": found}


def _secrets(album: Album) -> dict[str, bytes | None]:
    return {"password": album.password, "edit_token_hash": album.edit_token_hash}


async def bring_in(context: Context, folder: Path) -> None:
    """Makes the albums of the list in *folder*, if there is one, and adds the pictures that are here by now.

    An album that is here already gets what it lacks, so an import can be run again. A line that no export wrote is
    reported and left out. Raises `ImgesError` if the list cannot be read.
    """
    path = folder / LIST
    if not await asyncio.to_thread(path.is_file):
        return
    context.progress.stage(f"reading {LIST}")
    for number, line in enumerate(await asyncio.to_thread(_lines, path), 1):
        try:
            await _one(context, _RECORD.validate_json(line, strict=True))
        except ValidationError as error:
            context.progress.say(f"{LIST}: line {number} is not of an export: {NotARecord.of(error)}")


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        raise ImgesError(f"{path} cannot be read: {error.strerror}") from error


async def _one(context: Context, record: AlbumRecord) -> None:
    albums = context.catalog.albums
    try:
        try:
            album = await albums.make(record.new())
        except KeyTaken:
            album = await albums.by_id(record.id, utc_now())
    except (AlbumNameTaken, AlbumGone) as error:
        context.progress.say(f"{LIST}: {record.id}: left out: {error.message}")
        return
    for start in range(0, len(record.pictures), PAGE):
        ids = record.pictures[start : start + PAGE]
        found = {image.id: image.number for image in await context.catalog.published.by_ids(ids)}
        await context.catalog.album_pictures.add(album, [found[each] for each in ids if each in found], utc_now())
        if record.cover in found:
            cover = found[record.cover]
            album = await albums.change(album.number, lambda row, cover=cover: replace(row, cover=cover))
