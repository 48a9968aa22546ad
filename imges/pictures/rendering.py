"""The image processor, used as the settings of the site ask for."""

import asyncio
from dataclasses import replace
from pathlib import Path

from imges.errors import Busy
from imges.imaging import Given, Header, Imaging, Limits, Quality, Quarantine, Recipe, Renditions
from imges.receiving.intake import Received
from imges.settings import Settings

WAITING = 0.5
"""Seconds beyond `images.timeout` that a received picture may wait to be rendered: clients get an answer within 10."""

STORED_FORMATS = frozenset({"jpg", "png", "gif", "webp", "avif"})
"""The formats of stored originals; an upload in another format is converted to one of them."""


class Rendering:
    """Makes original, medium and thumb of a picture."""

    def __init__(self, settings: Settings, imaging: Imaging) -> None:
        self._settings = settings
        self._imaging = imaging
        self._quarantine = Quarantine()

    async def render_upload(
        self, received: Received, width: int | None, folder: Path, client: str | None = None
    ) -> Renditions:
        """Return all files of an uploaded picture, made in *folder*; *width* (pixels) scales the original down.

        *client* is the address that has sent it.

        Bytes that killed a worker before are refused for some time.

        Raises `NotAnImage`, `FormatRefused`, `TooLargeImage`, `ProcessingFailed`, `SpoolUnavailable`; `Busy` also if
        the wait for a worker leaves too little time.
        """
        async with self._quarantine.over(received.file.digest):
            try:
                async with asyncio.timeout(self._settings.images.timeout.total_seconds() + WAITING):
                    file = Given(received.file.path, received.file.size, ours=True, content=received.file.content)
                    return await self._imaging.take(file, self._limits, self._recipe(width), folder, client=client)
            except TimeoutError as error:
                raise Busy from error

    async def inspect(self, file: Path) -> Header:
        """Return the header of *file*, which may have any format of a stored original.

        Raises `NotAnImage`, `FormatRefused`, `ProcessingFailed`, `Busy`, `SpoolUnavailable`.
        """
        return await self._imaging.inspect(file, STORED_FORMATS)

    async def derive(self, file: Path, header: Header, folder: Path, *, strip: bool = False) -> Renditions:
        """Return medium and thumb of the original in *file*, made in *folder* by the present settings.

        The limits of uploads do not apply. The original stays as it is; *strip* removes its metadata.

        Raises what `Imaging.render` raises.
        """
        recipe = replace(self._recipe(None), keep_metadata=not strip)
        return await self._imaging.render(file, header, recipe, folder)

    @property
    def _limits(self) -> Limits:
        images = self._settings.images
        return Limits(
            formats=frozenset(images.formats),
            side=images.max_side,
            pixels=images.max_pixels,
            frames=images.max_frames,
            total_pixels=images.max_total_pixels,
        )

    def _recipe(self, width: int | None) -> Recipe:
        images = self._settings.images
        return Recipe(
            thumb=(images.thumb.width, images.thumb.height),
            medium=images.medium.width,
            width=width,
            keep_metadata=images.metadata == "keep",
            quality=Quality(**images.quality.model_dump()),
        )
