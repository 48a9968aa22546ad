"""Image work: the processor protocol, its two implementations, and the worker processes that they run in."""

from imges.imaging.executor import Imaging, open_imaging
from imges.imaging.quarantine import Quarantine
from imges.imaging.types import MEDIA_TYPES, Given, Header, Limits, Quality, Recipe, Rendition, Renditions

__all__ = [
    "MEDIA_TYPES",
    "Given",
    "Header",
    "Imaging",
    "Limits",
    "Quality",
    "Quarantine",
    "Recipe",
    "Rendition",
    "Renditions",
    "open_imaging",
]
