"""`rebuild`: makes thumbs and mediums again, after a change of their sizes or qualities in the settings."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from imges.catalog import Image, State, utc_now
from imges.errors import ImgesError
from imges.imaging.sizes import medium_size
from imges.maintenance.context import Context
from imges.maintenance.parallel import each
from imges.maintenance.remake import remake
from imges.settings import Images

PAGE = 200


@dataclass(slots=True)
class Rebuilt:
    pictures: int = 0
    failed: int = 0


async def rebuild(context: Context, ids: Sequence[str], *, changed: bool, parallel: int) -> Rebuilt:
    """Makes thumb and medium of the pictures *ids* again; of all pictures if *ids* is empty.

    With *changed*, only pictures are chosen whose thumb or medium has another size than the settings ask for.
    """
    rebuilt = Rebuilt()

    async def one(image: Image) -> None:
        try:
            await remake(context, image)
            rebuilt.pictures += 1
        except ImgesError as error:
            rebuilt.failed += 1
            context.progress.say(f"{image.place}: {image.original.key}: not made again: {error.message}")
        context.progress.advance(1, image.original.size)

    async def chosen() -> AsyncGenerator[Image]:
        async for image in _named(context, ids, rebuilt) if ids else _all(context):
            if not changed or _differs(image, context.settings.images):
                yield image

    total = len(ids) or sum((await context.catalog.figures.by_place()).values())
    context.progress.stage("making thumbs and mediums", None if changed else total)
    await each(chosen(), one, at_once=parallel)
    return rebuilt


async def _all(context: Context) -> AsyncGenerator[Image]:
    last = 0
    while rows := await context.catalog.inventory.page(after=last, limit=PAGE):
        for kept in rows:
            if kept.image.state == State.PUBLISHED:
                yield kept.image
        last = rows[-1].image.number


async def _named(context: Context, ids: Sequence[str], rebuilt: Rebuilt) -> AsyncGenerator[Image]:
    for image_id in ids:
        try:
            image = await context.catalog.published.by_id(image_id, utc_now())
        except ImgesError as error:
            rebuilt.failed += 1
            context.progress.say(f"{image_id}: {error.message}")
        else:
            yield image


def _differs(image: Image, wanted: Images) -> bool:
    """Returns whether the thumb or medium has another size than the settings ask for."""
    thumb, medium = image.thumb, image.medium
    size = medium_size((image.original.width, image.original.height), wanted.medium.width)
    return (thumb.width, thumb.height) != (wanted.thumb.width, wanted.thumb.height) or (size and size[0]) != (
        medium and medium.width
    )
