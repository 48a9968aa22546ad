"""One data folder belongs to one running `serve`."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from imges.errors import SettingsError


class DataLock:
    """The lock file of a data folder, held. It names the lease of who holds it: whoever holds it next knows that the
    former holder is dead, and need not wait until that one's lease has run out.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.former_lease = file.read().strip() or None

    def note(self, lease: str) -> None:
        """Leave *lease* to the next holder."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(lease)
        self._file.flush()


@contextmanager
def held(data_dir: Path) -> Generator[DataLock]:
    """The lock of *data_dir*, for as long as the process lives at most. Raises: SettingsError where another has it."""
    with (data_dir / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                f"data_dir is {str(data_dir)!r}: another `imges serve` runs on it; stop that one, "
                "or give this one a folder of its own"
            ) from error
        file.seek(0)
        yield DataLock(file)
