"""The arithmetic of sizes: all in pixels, width and height, as displayed."""

Size = tuple[int, int]


def at_width(size: Size, width: int) -> Size:
    """*size* scaled to *width*, the height rounded, and never none."""
    return width, max(1, round(size[1] * width / size[0]))


def medium_size(size: Size, width: int) -> Size | None:
    """The medium of a picture; `None` where it is no wider than that."""
    return at_width(size, width) if size[0] > width else None


def working_size(size: Size, thumb: Size, medium: Size | None) -> Size:
    """What to decode a picture of *size* to: no larger, but enough for its medium and for covering its thumb."""
    scale = max(thumb[0] / size[0], thumb[1] / size[1])
    if medium is not None and medium[0] / size[0] >= scale:
        return medium
    if scale >= 1:
        return size
    return min(size[0], max(thumb[0], round(size[0] * scale))), min(size[1], max(thumb[1], round(size[1] * scale)))


def centre(size: Size, shape: Size) -> tuple[float, float, float, float]:
    """The largest part of *size* with the proportions of *shape*, in the middle: left, top, right, bottom."""
    width = min(size[0], size[1] * shape[0] / shape[1])
    height = min(size[1], size[0] * shape[1] / shape[0])
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height


def turned(size: Size, orientation: int) -> Size:
    """*size* with its sides exchanged where the EXIF *orientation* does so: displayed to stored, and back."""
    return (size[1], size[0]) if orientation >= 5 else size
