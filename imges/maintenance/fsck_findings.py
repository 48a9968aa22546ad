"""What `fsck` finds, and what becomes of it."""

from collections import Counter
from collections.abc import Awaitable, Callable

from imges.errors import ImgesError
from imges.maintenance.progress import Progress

Mend = Callable[[], Awaitable[str | None]]
"""Repairs something. Returns how, if it did so in another way than announced. Raises `ImgesError` if it fails."""


class Findings:
    """Reports each finding as it is made. With *repair* it is mended at once, else the report says how it would be."""

    def __init__(self, progress: Progress, *, repair: bool) -> None:
        self.repair = repair
        self.mended = 0
        self.left = 0
        """Findings that are still wrong."""
        self.notes: Counter[str] = Counter()
        """Things that are not wrong but worth a word, and how often they were seen."""
        self._progress = progress

    async def wrong(self, where: str, problem: str, remedy: str, mend: Mend, *, quiet: bool = False) -> bool:
        """Reports the *problem* of what lies *where*, and returns whether *mend* has repaired it.

        *remedy*, a participle, says what *mend* does. With *quiet* a success is not reported, unless *mend* did
        something else.
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
        """Reports a problem that only people can mend."""
        self.left += 1
        self._progress.say(f"{where}: {problem}; {advice}")
