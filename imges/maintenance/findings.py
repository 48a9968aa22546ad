"""What a check found, and what became of it."""

from collections import Counter
from collections.abc import Awaitable, Callable

from imges.errors import ImgesError
from imges.maintenance.progress import Progress

Mend = Callable[[], Awaitable[str | None]]
"""Puts something right; where it did so in another way than was said, it answers how. Raises: ImgesError."""


class Findings:
    """Tells each finding as it comes. With *repair* it is put right at once, else it is told how it would be."""

    def __init__(self, progress: Progress, *, repair: bool) -> None:
        self.repair = repair
        self.mended = 0
        self.left = 0
        """How many things are still wrong."""
        self.notes: Counter[str] = Counter()
        """What is worth a word but not wrong, and how often."""
        self._progress = progress

    async def wrong(self, where: str, problem: str, remedy: str, mend: Mend, *, quiet: bool = False) -> bool:
        """Something is wrong *where*; *remedy*, a participle, is what *mend* brings about. Whether it is mended.

        With *quiet* nothing is said where that is just what happened.
        """
        if not self.repair:
            self.left += 1
            self._progress.say(f"{where}: {problem}; to be {remedy}")
            return False
        try:
            done = await mend()
        except ImgesError as error:
            self.hopeless(where, problem, f"not mended: {error.message}")
            return False
        self.mended += 1
        if done or not quiet:
            self._progress.say(f"{where}: {problem}; {done or remedy}")
        return True

    def hopeless(self, where: str, problem: str, advice: str) -> None:
        """Something is wrong that only people can put right."""
        self.left += 1
        self._progress.say(f"{where}: {problem}; {advice}")
