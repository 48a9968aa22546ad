"""From one schema to the next: everything or nothing, with a copy of what was."""

import asyncio
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Connection, MetaData, insert, text
from sqlalchemy.ext.asyncio import create_async_engine

from imges.catalog import Catalog, open_catalog, schema, upgrade_catalog
from imges.errors import Gone, SettingsError
from tests.catalog.pictures import MINUTE, NOON, claim_abandoned, new_image, stored
from tests.catalog.suite import FULL, published
from tests.servers import PostgresServer

REPOSITORY = Path(__file__).parents[2]

PRESENT = schema.HEAD

NEXT = '''
"""A column more."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade():
    op.add_column("images", sa.Column("mood", sa.Text))
    op.execute("INSERT INTO schema_revisions VALUES ('9999', '0002')")
    {then}
'''

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
DEFINITIONS = (
    COLUMNS,
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1",
    "SELECT revision, oldest_program FROM schema_revisions, alembic_version WHERE revision = version_num",
    "SELECT version_num FROM alembic_version",
)
"""What must be the same in a fresh and in a migrated PostgreSQL."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "imges.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
async def present(url: str) -> None:
    """A catalog of this program's schema, with one picture."""
    async with open_catalog(url) as catalog:
        await catalog.keys.ensure_guest(b"hash of guest", None)
        await published(catalog, await catalog.leases.take(MINUTE), new_image())


def add_migration(folder: Path, then: str = "pass") -> Path:
    """The package's migrations and one more, in *folder*."""
    shutil.copytree(schema.MIGRATIONS, folder)
    (folder / "versions" / "9999_next.py").write_text(NEXT.format(head=schema.HEAD, then=then))
    return folder


@pytest.fixture
def next_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program of the day after, with a schema more."""
    monkeypatch.setattr(schema, "MIGRATIONS", add_migration(tmp_path / "migrations"))
    monkeypatch.setattr(schema, "HEAD", "9999")


def look(file: Path, statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(statement).fetchall()


def revision(file: Path) -> str:
    return look(file, "SELECT version_num FROM alembic_version")[0][0]


def columns(file: Path) -> set[str]:
    return {name for (name,) in look(file, "SELECT name FROM pragma_table_info('images')")}


async def test_a_fresh_catalog_and_a_migrated_one_are_the_same(
    url: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with open_catalog(url):
        pass
    monkeypatch.setattr(schema, "create", schema.upgrade)
    migrated = tmp_path / "migrated.db"
    async with open_catalog(f"sqlite:///{migrated}"):
        pass
    assert definitions(file) == definitions(migrated)
    assert revision(file) == revision(migrated) == schema.HEAD
    newest = f"SELECT * FROM schema_revisions WHERE revision = '{schema.HEAD}'"
    assert look(file, newest) == look(migrated, newest) == [(schema.HEAD, schema.OLDEST_PROGRAM)]


def definitions(file: Path) -> dict[str, list[str]]:
    """What each table and index is made of, whatever the order of columns and constraints."""
    found = look(file, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: sorted(re.split(r"[,\s]*[\n,][,\s]*", re.sub(r"[ \t]+", " ", sql))) for name, sql in found}


def test_the_program_knows_its_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_opening_what_is_up_to_date_does_without_alembic(url: str):
    """Its import alone would take a third of the time that a start may take."""
    code = (
        "import asyncio, sys\nfrom imges.catalog import open_catalog\n"
        f"async def main():\n    async with open_catalog({url!r}): pass\n"
        "asyncio.run(main()); asyncio.run(main()); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.usefixtures("present", "next_program")
async def test_an_older_catalog_is_brought_up_to_date_after_a_copy(url: str, file: Path):
    async with open_catalog(url) as catalog:
        assert (await catalog.published.by_id("id-example", NOON)).number
    assert revision(file) == "9999"
    assert "mood" in columns(file)
    copy = file.with_name(f"imges.db.schema-{PRESENT}")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert revision(copy) == PRESENT
    assert "mood" not in columns(copy)
    assert look(copy, "SELECT id, state FROM images") == [("id-example", "published")]
    assert sorted(path.name for path in file.parent.glob("imges.db.*")) == [f"imges.db.schema-{PRESENT}"]


@pytest.mark.usefixtures("present", "next_program")
async def test_the_copy_serves_the_older_program(url: str, file: Path, monkeypatch: pytest.MonkeyPatch):
    async with open_catalog(url):
        pass
    monkeypatch.undo()
    async with open_catalog(f"sqlite:///{file}.schema-{PRESENT}") as catalog:
        assert (await catalog.published.by_id("id-example", NOON)).number


@pytest.mark.usefixtures("present")
async def test_a_migration_that_fails_changes_nothing(
    url: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = add_migration(tmp_path / "migrations", then="raise RuntimeError('half way')")
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    monkeypatch.setattr(schema, "HEAD", "9999")
    with pytest.raises(RuntimeError, match="half way"):
        async with open_catalog(url):
            pass
    assert revision(file) == PRESENT
    assert "mood" not in columns(file)
    monkeypatch.undo()
    async with open_catalog(url) as catalog:
        assert (await catalog.published.by_id("id-example", NOON)).number


@pytest.mark.usefixtures("present")
def test_a_migration_that_is_killed_changes_nothing(url: str, file: Path, tmp_path: Path):
    deadly = add_migration(tmp_path / "migrations", then="import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    code = (
        "import asyncio, pathlib\nfrom imges.catalog import open_catalog, schema\n"
        f"schema.HEAD, schema.MIGRATIONS = '9999', pathlib.Path({str(deadly)!r})\n"
        f"async def main():\n    async with open_catalog({url!r}): pass\n"
        "asyncio.run(main())"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL
    assert revision(file) == PRESENT
    assert "mood" not in columns(file)


# Newer than the program


@pytest.mark.usefixtures("present")
@pytest.mark.parametrize(
    ("recorded", "served"),
    [
        pytest.param(PRESENT, True, id="still-served"),
        pytest.param("9999", False, id="too-old"),
        pytest.param(None, False, id="not-recorded"),
    ],
)
async def test_a_newer_catalog_says_whether_it_serves_this_program(
    url: str, file: Path, recorded: str | None, served: bool
):
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        if recorded:
            newer.execute("INSERT INTO schema_revisions VALUES ('9999', ?)", [recorded])
        newer.commit()
    if served:
        async with open_catalog(url) as catalog:
            assert (await catalog.published.by_id("id-example", NOON)).number
    else:
        with pytest.raises(
            SettingsError, match=rf"made by a newer imges \(schema 9999, .* knows {PRESENT}\); update imges"
        ):
            async with open_catalog(url):
                pass
    assert revision(file) == "9999"


# From schema 0001, which kept the files of a picture in `images`


@pytest.fixture
def older(file: Path) -> None:
    """A catalog as the program before schema 0002 left it, with five pictures and a tombstone."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((Path(__file__).with_name("schema_0001.sql")).read_text())
    file.chmod(0o600)


async def check_pictures(catalog: Catalog) -> None:
    """Every picture of `older` is as it was, with its files."""
    full = await catalog.published.by_id("id-full", NOON)
    assert (full.version, full.frames, full.exif, full.address) == (1, 12, FULL.exif, FULL.address)
    assert full.original == replace(stored("2014/06/04/full.png"), frames=12)
    assert (full.thumb, full.medium) == (stored("2014/06/04/full.th.png"), stored("2014/06/04/full.md.png"))
    small = await catalog.published.by_id("id-small", NOON)
    assert (small.medium, small.medium_key) == (None, "2014/06/04/small.md.png")
    assert await catalog.published.by_key(small.medium_key, NOON) == small
    moving = await catalog.published.by_key("2014/06/04/moving.md.gif", NOON)
    assert {(role, file.media_type, file.frames, file.size) for role, file in moving.by_role.items()} == {
        ("original", "image/gif", 7, 5000),
        ("medium", "image/gif", 7, 2000),
        ("thumb", "image/gif", 1, 300),
    }
    assert [image.id for image in await catalog.deletions.begun(limit=10)] == ["id-deleting"]
    with pytest.raises(Gone):
        await catalog.published.by_id("id-deleted", NOON)
    lease = await catalog.leases.take(MINUTE)
    assert [image.id for image in await claim_abandoned(catalog, lease=lease, now=NOON + 999 * MINUTE)] == [
        "id-pending"
    ]
    assert (await published(catalog, lease, new_image())).number == 7, "numbers are never used again"
    (key,) = await catalog.keys.all()
    assert (key.pictures, key.bytes) == (6, 21_300)


@pytest.mark.usefixtures("older")
async def test_files_get_rows_of_their_own(url: str, file: Path, tmp_path: Path):
    async with open_catalog(url) as catalog:
        await check_pictures(catalog)
    assert revision(file) == PRESENT
    assert look(file, "PRAGMA integrity_check") == [("ok",)]
    assert look(file, "PRAGMA foreign_key_check") == []
    fresh = tmp_path / "fresh.db"
    async with open_catalog(f"sqlite:///{fresh}"):
        pass
    assert definitions(file) == definitions(fresh)
    copy = file.with_name("imges.db.schema-0001")
    assert revision(copy) == "0001"
    assert look(copy, "SELECT thumb_key FROM images WHERE number = 2") == [("2014/06/04/small.th.png",)]


KILLS = [
    "_create_images()",
    "_point_unique_keys_at_the_new_table()",
    'op.drop_table("images_0001")',
    "_create_indexes()",
]


def deadly_migrations(folder: Path, after: str) -> Path:
    """Copy the package's migrations to *folder*; the second of them kills its process *after* a line."""
    shutil.copytree(schema.MIGRATIONS, folder)
    script = folder / "versions" / "0002_files.py"
    text = script.read_text()
    kill = "__import__('os').kill(__import__('os').getpid(), 9)"
    assert text.count(f"    {after}\n") == 1
    script.write_text(text.replace(f"    {after}\n", f"    {after}\n    {kill}\n"))
    return folder


def killed(url: str, migrations: Path) -> None:
    """Upgrade the catalog at *url* by *migrations* in a process that they kill."""
    code = (
        "import asyncio, pathlib\nfrom imges.catalog import schema, upgrade_catalog\n"
        f"schema.MIGRATIONS = pathlib.Path({str(migrations)!r})\n"
        f"asyncio.run(upgrade_catalog({url!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("after", KILLS)
async def test_after_a_kill_in_the_middle_the_next_start_moves_the_files(
    url: str, file: Path, tmp_path: Path, after: str
):
    killed(url, deadly_migrations(tmp_path / "deadly", after))
    assert revision(file) == "0001"
    assert len(look(file, "SELECT thumb_key FROM images")) == 5
    async with open_catalog(url) as catalog:
        await check_pictures(catalog)
    assert look(file, "PRAGMA integrity_check") == [("ok",)]


async def older_in_postgresql(url: str, file: Path) -> None:
    """Make the catalog at *url* by the first migration, and copy all rows of the one in *file* into it."""
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.begin() as connection:
        await connection.run_sync(_copy_into, file)
    await engine.dispose()


def _copy_into(connection: Connection, file: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    tables = MetaData()
    tables.reflect(connection)
    with closing(sqlite3.connect(file)) as source:
        source.row_factory = sqlite3.Row
        for name in ("api_keys", "images", "unique_keys", "leases", "secrets"):
            table = tables.tables[name]
            flags = {column.name for column in table.columns if isinstance(column.type, Boolean)}
            for row in map(dict, source.execute(f"SELECT * FROM {name}")):
                connection.execute(insert(table).values(row | {flag: bool(row[flag]) for flag in flags}))
    connection.execute(text("SELECT setval('images_number_seq', 6)"))


@pytest.mark.usefixtures("older")
async def test_files_get_rows_of_their_own_in_postgresql(postgres: PostgresServer, file: Path, tmp_path: Path):
    url, fresh = [await asyncio.to_thread(postgres.new_database) for _ in range(2)]
    await older_in_postgresql(url, file)
    with pytest.raises(SettingsError, match=r"stop all nodes and run `imges catalog upgrade`"):
        async with open_catalog(url):
            pass
    await asyncio.to_thread(killed, url, deadly_migrations(tmp_path / "deadly", 'op.execute("ANALYZE files")'))
    assert await upgrade_catalog(url) == ("0001", PRESENT)
    async with open_catalog(url) as catalog:
        await check_pictures(catalog)
    async with open_catalog(fresh):
        pass
    for what in DEFINITIONS:
        found = [await asyncio.to_thread(postgres.run, what, each) for each in (url, fresh)]
        assert found[0] == found[1]
