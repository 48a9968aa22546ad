"""Thumbs and mediums made again from the stored original, and what the row then says."""

from dataclasses import replace

from imges.catalog import Image, StoredFile
from imges.errors import ImgesError
from imges.imaging import Renditions
from imges.maintenance.context import Context
from imges.maintenance.objects import fetched
from imges.pictures.drafts import stored_file
from imges.storage.places import Place, place_named


class Changed(ImgesError):
    """The picture was deleted or moved while it was worked on."""

    def __init__(self) -> None:
        super().__init__("it was changed by somebody else meanwhile")


async def remake(context: Context, image: Image) -> Image:
    """Makes thumb and medium of *image* again, by the present settings, and returns the new row.

    A medium that the settings do not ask for any more is deleted. The row is changed after the objects: if that breaks
    off, `fsck` finds that their sizes differ and makes them again.

    Raises `Changed`; `KeyMissing` if the original is missing; what `Rendering.derive` raises; `StorageError`;
    `CatalogUnavailable`.
    """
    place = place_named(context.places, image.place)
    async with context.work_folder.folder() as folder:
        original = folder / "stored"
        await fetched(place.storage, image.original.key, original)
        renditions = await context.pictures.rendering.derive(
            original, await context.pictures.rendering.inspect(original), folder
        )
        return await put_derived(context, place, image, renditions)


async def put_derived(
    context: Context, place: Place, image: Image, renditions: Renditions, *, original: StoredFile | None = None
) -> Image:
    """Replaces thumb and medium of *image*, and changes its row. Raises what `remake` raises.

    *original* is the new description of the original, if the original has changed.
    """
    new = replace(
        image,
        original=original or image.original,
        thumb=stored_file(image.thumb.key, renditions.thumb),
        medium=stored_file(image.medium_key, renditions.medium) if renditions.medium else None,
    )
    for file, rendition in ((new.medium, renditions.medium), (new.thumb, renditions.thumb)):
        if file and rendition:
            await place.storage.put(
                file.key, rendition.path, media_type=image.media_type, expires=image.expires, replace=True
            )
    if not await context.catalog.images.set_files(image, new):
        raise Changed
    if image.medium and not new.medium:
        await place.storage.delete(image.medium_key)
    return new
