"""`lost+found` in the data folder: `fsck` moves objects there that belong to no picture or are damaged.

imges never deletes anything there: it may be somebody's only copy.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from imges.durable import make_folders, sync
from imges.maintenance.objects import fetched
from imges.receiving.spool import translated
from imges.storage.places import Place


class LostAndFound:
    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "lost+found"

    async def save(self, place: Place, key: str) -> None:
        """Copies the object into the folder, durably, and then deletes it in its place.

        Raises `KeyMissing` or `StorageUnavailable` if the object cannot be read, and `DiskReserve` or
        `SpoolUnavailable` if the folder cannot be written.
        """
        try:
            file = await asyncio.to_thread(self._new_file, self.folder / place.name / key)
            try:
                await fetched(place.storage, key, file)
                await asyncio.to_thread(_sync_with_name, file)
            except BaseException:
                file.unlink()
                raise
        except OSError as error:
            raise translated(error) from error
        await place.storage.delete(key)

    def _new_file(self, file: Path) -> Path:
        """An empty file of that name, or with a number behind it: what is there stays."""
        make_folders(self.folder, 0o700)
        make_folders(file.parent)
        name, number = file, 0
        while True:
            with suppress(FileExistsError):
                name.touch(exist_ok=False)
                return name
            number += 1
            name = file.with_name(f"{file.name}.{number}")


def _sync_with_name(file: Path) -> None:
    sync(file)
    sync(file.parent)
