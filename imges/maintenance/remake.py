"""Thumbs and mediums made again from the stored original, and what the row then says."""

from dataclasses import replace

from imges.catalog import Image, StoredFile
from imges.errors import ImgesError
from imges.imaging import Renditions
from imges.maintenance.objects import fetched
from imges.maintenance.workroom import Workroom
from imges.service import Place, Service, stored_file


class Changed(ImgesError):
    """The picture was deleted or moved while it was worked on."""

    def __init__(self) -> None:
        super().__init__("it was changed by somebody else meanwhile")


async def remake(service: Service, room: Workroom, image: Image) -> Image:
    """Make thumb and medium of *image* again, as the settings have them now; the row as it is then.

    A medium that is not made any more is deleted. The row follows the objects: where that breaks off, `fsck` finds
    that their sizes differ, and does this again.

    Raises: Changed; KeyMissing without the original; what `Service.derive` raises; StorageError, CatalogUnavailable.
    """
    place = service.place_of(image)
    async with room.folder() as folder:
        original = folder / "stored"
        await fetched(place.storage, image.original.key, original)
        renditions = await service.derive(original, await service.look(original), folder)
        return await put_derived(service, place, image, renditions)


async def put_derived(
    service: Service, place: Place, image: Image, renditions: Renditions, *, original: StoredFile | None = None
) -> Image:
    """Put thumb and medium in the place of those that *image* has, and let its row say so. Raises: as `remake`.

    *original* is what the row is to say of the original, where that has changed.
    """
    new = replace(
        image,
        original=original or image.original,
        frames=renditions.frames,
        thumb=stored_file(image.thumb.key, renditions.thumb),
        medium=stored_file(image.medium_key, renditions.medium) if renditions.medium else None,
    )
    for file, rendition in ((new.medium, renditions.medium), (new.thumb, renditions.thumb)):
        if file and rendition:
            await place.storage.put(
                file.key, rendition.path, media_type=image.media_type, expires=image.expires, replace=True
            )
    if not await service.catalog.refile(image, new):
        raise Changed
    if image.medium and not new.medium:
        await place.storage.delete(image.medium_key)
    return new
