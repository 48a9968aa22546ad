"""The file that chats and other sites show for a viewer's link."""

from imges.catalog.types import Image, StoredFile

TYPES = {"image/jpeg", "image/png", "image/gif"}
"""Types that every chat shows. AVIF is shown by none, so there is no preview of it at all."""
LARGEST = 300 * 1024
"""Bytes: some chats give up on more."""
TALLEST = 2
"""Height by width of what chats still show as a picture, and not as a strip."""


def preview(image: Image) -> StoredFile | None:
    """Returns the medium (of a small picture the original) if chats show it well; else the thumb; `None` for AVIF.

    It is a still: of an animation chats would load the whole file, and show its first frame.
    """
    shown = image.medium or image.original
    fits = shown.media_type in TYPES and shown.size <= LARGEST and shown.height <= TALLEST * shown.width
    if fits and shown.frames == 1:
        return shown
    return image.thumb if image.thumb.media_type != "image/avif" else None
