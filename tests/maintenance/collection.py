"""A small collection of pictures, and the context of maintenance, in this process."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imges.access.access import Access
from imges.app import open_pictures
from imges.catalog import GUEST, ApiKey, Image
from imges.maintenance.context import Context
from imges.maintenance.fsck import Checks, fsck
from imges.maintenance.fsck_findings import Findings
from imges.maintenance.work_folders import WorkFolder
from imges.pictures import Pictures
from imges.pictures.drafts import Uploader, UploadOptions
from imges.receiving.intake import Received
from imges.receiving.spool import SpoolWriter
from imges.settings import Settings, load_settings

DEFAULTS = {
    "API__KEY": "abc #def",
    "LIMITS__DISK_RESERVE": "1 MB",
    "IMAGES__WORKERS": "1",
    "IMAGES__TIMEOUT": "60 s",  # on a busy machine a decoder may take long to start
}


@dataclass
class Said:
    """A progress that remembers what it has to print."""

    lines: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    def stage(self, what: str, total: int | None = None) -> None:
        self.stages.append(what)

    def advance(self, pieces: int = 1, size: int = 0) -> None:
        pass

    def say(self, line: str) -> None:
        self.lines.append(line)

    def about(self, key: str) -> list[str]:
        return [line for line in self.lines if key in line]


@dataclass
class Library:
    """A data folder with pictures, opened as a maintenance command opens it."""

    settings: Settings
    pictures: Pictures
    context: Context
    guest: ApiKey
    access: Access

    @property
    def images(self) -> Path:
        return self.settings.data_dir / "images"

    def file(self, key: str) -> Path:
        return self.images / key

    def files(self) -> set[str]:
        """Returns the keys of all objects on the disk."""
        return {
            str(file.relative_to(self.images))
            for file in self.images.rglob("*")
            if file.is_file() and ".staging" not in file.parts
        }

    async def upload(self, content: bytes, name: str = "example.png", **options: Any) -> Image:
        async with self.context.work_folder.folder() as folder:
            writer = SpoolWriter(folder / "received", 2**30)
            await writer.write(content)
            received = Received(await writer.finish(), name, "file")
            uploader = Uploader(self.guest, None)
            return (await self.pictures.storing.upload(received, UploadOptions(**options), uploader, folder)).image

    async def fsck(self, **checks: bool) -> tuple[Findings, Said]:
        said = Said()
        context = replace(self.context, progress=said)
        return await fsck(context, Checks(**checks)), said

    async def now(self, image: Image) -> Image | None:
        """The row as it is."""
        kept = (await self.pictures.catalog.inventory.by_numbers([image.number])).get(image.number)
        return kept and kept.image

    async def rows(self) -> list[Image]:
        return [kept.image for kept in await self.pictures.catalog.inventory.page(limit=10_000)]

    async def is_sound(self, image: Image) -> bool:
        """Returns whether each object on the disk is what the row says."""
        row = await self.now(image)
        return row is not None and all(self._holds(file.key, file.size, file.md5) for file in row.files())

    def _holds(self, key: str, size: int, md5: str) -> bool:
        content = self.file(key).read_bytes()
        return len(content) == size and hashlib.md5(content).hexdigest() == md5


def settings_of(data_dir: Path, **environ: str) -> Settings:
    given = {f"IMGES__{name}": value for name, value in (DEFAULTS | environ).items()}
    return load_settings(environ=given | {"IMGES__DATA_DIR": str(data_dir)})


@asynccontextmanager
async def open_library(data_dir: Path, **environ: str) -> AsyncGenerator[Library]:
    settings = settings_of(data_dir, **environ)
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    with WorkFolder.open(data_dir) as work_folder:
        async with (
            open_pictures(settings, spool=work_folder.spool) as pictures,
            Access.open(settings, pictures.catalog) as access,
            Context.open(settings, pictures, work_folder, Said()) as context,
        ):
            guest = next(key for key in await pictures.catalog.keys.all() if key.name == GUEST)
            yield Library(settings, pictures, context, guest, access)
