"""The arithmetic of sizes. All are width and height in pixels, as displayed."""

Size = tuple[int, int]


def at_width(size: Size, width: int) -> Size:
    """*size* scaled to *width*. The height is rounded, and at least 1."""
    return width, max(1, round(size[1] * width / size[0]))


def medium_size(size: Size, width: int) -> Size | None:
    """The size of the medium, *width* wide; `None` if the picture is no wider than that."""
    return at_width(size, width) if size[0] > width else None


def working_size(size: Size, thumb: Size, medium: Size | None) -> Size:
    """The size to which a picture of *size* is decoded: enough for its medium and to cover its thumb, and no larger."""
    scale = max(thumb[0] / size[0], thumb[1] / size[1])
    if medium is not None and medium[0] / size[0] >= scale:
        return medium
    if scale >= 1:
        return size
    return min(size[0], max(thumb[0], round(size[0] * scale))), min(size[1], max(thumb[1], round(size[1] * scale)))


def centre(size: Size, shape: Size) -> tuple[float, float, float, float]:
    """The largest part with the proportions of *shape* in the middle of *size*, as left, top, right and bottom."""
    width = min(size[0], size[1] * shape[0] / shape[1])
    height = min(size[1], size[0] * shape[1] / shape[0])
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height


def turned(size: Size, orientation: int) -> Size:
    """From a size as displayed to the size as stored, and back: orientations from 5 on exchange the sides."""
    return (size[1], size[0]) if orientation >= 5 else size
