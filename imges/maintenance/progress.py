"""How a long use case reports its progress."""

from typing import Protocol


class Progress(Protocol):
    def stage(self, what: str, total: int | None = None) -> None:
        """Begins a new part of the work. It has *total* pieces, if that is known."""
        ...

    def advance(self, pieces: int = 1, size: int = 0) -> None:
        """Counts more pieces as done, *size* bytes together."""
        ...

    def say(self, line: str) -> None:
        """Prints a line for the operator."""
        ...
