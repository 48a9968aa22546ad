"""`lost+found` in the data folder: where objects go that are nobody's, or damaged. Only people delete there."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from imges.intake import translated
from imges.maintenance.objects import fetched
from imges.service import Place


class LostAndFound:
    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "lost+found"

    async def save(self, place: Place, key: str) -> None:
        """Move the object into the folder, durably, before it leaves its place.

        Raises: KeyMissing, StorageUnavailable, DiskReserve, SpoolUnavailable.
        """
        try:
            file = await asyncio.to_thread(self._new_file, self.folder / place.name / key)
            try:
                await fetched(place.storage, key, file)
                await asyncio.to_thread(_sync, file)
            except BaseException:
                file.unlink()
                raise
        except OSError as error:
            raise translated(error) from error
        await place.storage.delete(key)

    def _new_file(self, file: Path) -> Path:
        """An empty file of that name, or with a number behind it: what is there stays."""
        with suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
        file.parent.mkdir(parents=True, exist_ok=True)
        name, number = file, 0
        while True:
            with suppress(FileExistsError):
                name.touch(exist_ok=False)
                return name
            number += 1
            name = file.with_name(f"{file.name}.{number}")


def _sync(file: Path) -> None:
    for path in (file, file.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
