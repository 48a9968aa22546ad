"""`imges backup` and `imges restore`: the catalog, the guests' key and the settings in one archive."""

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from imges.catalog import open_catalog
from imges.cli.errors import reporting_os_errors
from imges.cli.opening import sqlite_file
from imges.cli.owner import become_owner, prepare
from imges.cli.settings_option import settings_option
from imges.durable import move_over
from imges.errors import SettingsError
from imges.maintenance.backup import Backup, back_up, opened, put_in_place, read_settings
from imges.maintenance.work_folders import folder_beside
from imges.processes.lock import held
from imges.settings import PREFIX, Settings, load_settings, settings_file


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@settings_option
def backup(settings: Settings, file: Path) -> None:
    """Copy the catalog, the guests' key and the settings into the new FILE, also while the server runs.

    Copy the pictures after it, with any tool that copies folders; see docs/backup.md. FILE holds secrets and people's
    addresses, so only its owner may read it (0600).
    """
    database = _database(settings, "back it up with `pg_dump --format=custom --file FILE`")
    if not database.is_file():
        raise SettingsError(f"there is no catalog at {database} to back up")
    become_owner(settings.data_dir, "write")
    with reporting_os_errors(file):
        back_up(
            file,
            database,
            key_file=settings.data_dir / "api.key",
            settings_file=_given_settings(),
            environment=sorted(name for name in os.environ if name.startswith(PREFIX)),
        )
    click.echo(f"the catalog, its key and settings are in {click.format_filename(file)}; now copy the pictures:")
    _tell_places(settings)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@settings_option
def restore(settings: Settings, file: Path) -> None:
    """Put the catalog and the guests' key of a backup FILE in place, and print what to do next.

    Refuses if there is a catalog already, or a server runs on the data folder. The settings of the backup become
    ./settings.yaml if no settings file is found.
    """
    otherwise = "restore it with `pg_restore --clean --if-exists --dbname DATABASE FILE`"
    _database(settings, otherwise)
    with reporting_os_errors(file), _settings_in(file) as settings_of_backup:
        if settings_of_backup is not None:
            settings = load_settings(settings_of_backup)
        database = _database(settings, otherwise)
        prepare(settings, "write")
        with held(settings.data_dir, command="restore"):
            if database.exists():
                raise SettingsError(f"there is a catalog at {database} already; stop the server and move it away first")
            with opened(file, database.parent.absolute()) as found:
                pictures = asyncio.run(_made_ready(found.database))
                put_in_place(found.database, database)
                if found.key_file is not None:
                    move_over(found.key_file, settings.data_dir / "api.key")
                if settings_of_backup is not None:
                    put_in_place(settings_of_backup, Path("settings.yaml"))
                    click.echo("the settings of the backup are in ./settings.yaml")
                _tell_restored(found, pictures, database)
    _tell_places(settings)
    click.echo("then run `imges fsck`, `imges fsck --repair` if that finds anything, and `imges serve`")


def _database(settings: Settings, otherwise: str) -> Path:
    """Returns the file of the catalog. Raises `SettingsError` for PostgreSQL, with what to do *otherwise*."""
    file = sqlite_file(settings)
    if file is None:
        raise SettingsError(f"catalog.url is PostgreSQL: {otherwise}; what else there is to copy is in docs/backup.md")
    return file


@contextmanager
def _settings_in(backup: Path) -> Generator[Path | None]:
    """Writes the settings of the *backup* to a file in the working directory, and deletes it at the end.

    `None` if this host has a settings file already, or the backup has none.
    """
    text = None if _given_settings() else read_settings(backup)
    if text is None:
        yield None
        return
    with folder_beside(Path(), ".restore-") as folder:
        file = folder / "settings.yaml"
        file.write_bytes(text)
        yield file


def _given_settings() -> Path | None:
    return settings_file(click.get_current_context().params.get("settings_path"))


async def _made_ready(database: Path) -> int:
    """Forgets the uploads that were under way when the catalog was copied. Returns how many pictures are left.

    Raises `SettingsError` if the catalog is damaged, or was made by a newer imges.
    """
    async with open_catalog(f"sqlite:///{database}") as catalog:
        await catalog.images.forget_unfinished()
        return sum((await catalog.figures.by_place()).values())


def _tell_restored(found: Backup, pictures: int, database: Path) -> None:
    click.echo(f"the catalog of {found.about.get('time')}, with {pictures} pictures, is in {database}")
    if found.about.get("environment"):
        names = ", ".join(found.about["environment"])
        click.echo(f"it was made with settings from the environment, which are not in it: {names}")


def _tell_places(settings: Settings) -> None:
    for name, given in sorted(settings.storages.items()):
        where = f"the folder {given['root']}" if "root" in given else "keep its own copies, or the place itself"
        click.echo(f"  storage {name} ({given['type']}): {where}")
