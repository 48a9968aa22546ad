"""The figures of a whole catalog."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """Published pictures, the *bytes* of all their objects, and their views; and pictures and bytes by each group."""

    pictures: int
    bytes: int
    views: int
    places: dict[str, tuple[int, int]]
    formats: dict[str, tuple[int, int]]
    api_keys: dict[str, tuple[int, int]]
    days: dict[str, tuple[int, int]]
    """Groups by the day of the upload, in UTC, such as 2014-06-04."""
