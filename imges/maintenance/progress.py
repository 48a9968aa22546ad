"""How a long use case tells where it is."""

from typing import Protocol


class Progress(Protocol):
    def stage(self, what: str, total: int | None = None) -> None:
        """A new part of the work begins, of *total* pieces if that is known."""
        ...

    def advance(self, pieces: int = 1, size: int = 0) -> None:
        """So many pieces more are done, which were *size* bytes."""
        ...

    def say(self, line: str) -> None:
        """A line for the operator to read."""
        ...
