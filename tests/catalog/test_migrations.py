"""From one schema to the next: everything or nothing, with a copy of what was."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from imges.catalog import open_catalog, schema
from imges.errors import SettingsError
from tests.catalog.pictures import MINUTE, NOON, new_image
from tests.catalog.suite import published

REPOSITORY = Path(__file__).parents[2]

SECOND = '''
"""A column more."""
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("images", sa.Column("mood", sa.Text))
    op.execute("INSERT INTO schema_revisions VALUES ('0002', '0001')")
    {then}
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "imges.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
async def first(url: str) -> None:
    """A catalog of the first schema, with one picture."""
    async with open_catalog(url) as catalog:
        await catalog.ensure_guest(b"hash of guest", None)
        await published(catalog, await catalog.take_lease(MINUTE), new_image())


def add_migration(folder: Path, then: str = "pass") -> Path:
    """The package's migrations and one more, in *folder*."""
    shutil.copytree(schema.MIGRATIONS, folder)
    (folder / "versions" / "0002_second.py").write_text(SECOND.format(then=then))
    return folder


@pytest.fixture
def next_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program of the day after, with a schema more."""
    monkeypatch.setattr(schema, "MIGRATIONS", add_migration(tmp_path / "migrations"))
    monkeypatch.setattr(schema, "HEAD", "0002")


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


@pytest.mark.usefixtures("first", "next_program")
async def test_an_older_catalog_is_brought_up_to_date_after_a_copy(url: str, file: Path):
    async with open_catalog(url) as catalog:
        assert (await catalog.by_id("id-example", NOON)).number
    assert revision(file) == "0002"
    assert "mood" in columns(file)
    copy = file.with_name("imges.db.schema-0001")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert revision(copy) == "0001"
    assert "mood" not in columns(copy)
    assert look(copy, "SELECT id, state FROM images") == [("id-example", "published")]
    assert sorted(path.name for path in file.parent.glob("imges.db.*")) == ["imges.db.schema-0001"]


@pytest.mark.usefixtures("first", "next_program")
async def test_the_copy_serves_the_older_program(url: str, file: Path, monkeypatch: pytest.MonkeyPatch):
    async with open_catalog(url):
        pass
    monkeypatch.undo()
    async with open_catalog(f"sqlite:///{file}.schema-0001") as catalog:
        assert (await catalog.by_id("id-example", NOON)).number


@pytest.mark.usefixtures("first")
async def test_a_migration_that_fails_changes_nothing(
    url: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = add_migration(tmp_path / "migrations", then="raise RuntimeError('half way')")
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    monkeypatch.setattr(schema, "HEAD", "0002")
    with pytest.raises(RuntimeError, match="half way"):
        async with open_catalog(url):
            pass
    assert revision(file) == "0001"
    assert "mood" not in columns(file)
    monkeypatch.undo()
    async with open_catalog(url) as catalog:
        assert (await catalog.by_id("id-example", NOON)).number


@pytest.mark.usefixtures("first")
def test_a_migration_that_is_killed_changes_nothing(url: str, file: Path, tmp_path: Path):
    deadly = add_migration(tmp_path / "migrations", then="import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    code = (
        "import asyncio, pathlib\nfrom imges.catalog import open_catalog, schema\n"
        f"schema.HEAD, schema.MIGRATIONS = '0002', pathlib.Path({str(deadly)!r})\n"
        f"async def main():\n    async with open_catalog({url!r}): pass\n"
        "asyncio.run(main())"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL
    assert revision(file) == "0001"
    assert "mood" not in columns(file)


# Newer than the program


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("recorded", "served"),
    [
        pytest.param("0001", True, id="still-served"),
        pytest.param("0002", False, id="too-old"),
        pytest.param(None, False, id="not-recorded"),
    ],
)
async def test_a_newer_catalog_says_whether_it_serves_this_program(
    url: str, file: Path, recorded: str | None, served: bool
):
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '0002'")
        if recorded:
            newer.execute("INSERT INTO schema_revisions VALUES ('0002', ?)", [recorded])
        newer.commit()
    if served:
        async with open_catalog(url) as catalog:
            assert (await catalog.by_id("id-example", NOON)).number
    else:
        with pytest.raises(SettingsError, match=r"made by a newer imges \(schema 0002, .* knows 0001\); update imges"):
            async with open_catalog(url):
                pass
    assert revision(file) == "0002"
