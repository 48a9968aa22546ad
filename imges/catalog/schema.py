"""The schema of a catalog: made if there is none, brought up to date if it is behind, refused if it is too new.

A fresh catalog is made straight from the tables, because Alembic takes a third of a second to import. A test checks
that the migrations lead to the same schema. Each revision names the oldest program that it still serves. Migrations
that only expand serve the programs before them, so a node may be older than the catalog while others are updated.
Revision 0002 moved columns, so it serves no program before it. Revision 0003 only added a table.
"""

from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, text

from imges.catalog.tables import metadata, schema_revisions
from imges.errors import SettingsError

HEAD = "0006"
"""The newest revision that this program knows. Revisions sort by their names."""

OLDEST_PROGRAM = "0002"
"""Revision `HEAD` serves a program that knows this revision."""

ALEMBIC_TABLE = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""

MIGRATIONS = Path(__file__).with_name("migrations")


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the schema, `None` if the database is empty.

    Raises `SettingsError` if it is another program's database.
    """
    names = inspect(connection).get_table_names()
    if not names:
        return None
    if {"alembic_version", schema_revisions.name}.issubset(names):
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        if revision is not None:
            return revision
    raise SettingsError(f"catalog.url is {_where(connection)}: there is a database, but not a catalog of imges")


def create(connection: Connection) -> None:
    """Make all tables, in the transaction of the caller."""
    metadata.create_all(connection)
    connection.execute(insert(schema_revisions).values(revision=HEAD, oldest_program=OLDEST_PROGRAM))
    connection.execute(text(ALEMBIC_TABLE))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of the caller."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def refuse_newer(connection: Connection, revision: str) -> None:
    """Raises `SettingsError` if *revision*, newer than `HEAD`, does not serve this program any more."""
    oldest = connection.execute(
        select(schema_revisions.c.oldest_program).where(schema_revisions.c.revision == revision)
    ).scalar_one_or_none()
    if oldest is None or oldest > HEAD:
        raise SettingsError(
            f"catalog.url is {_where(connection)}: the catalog was made by a newer imges "
            f"(schema {revision}, this program knows {HEAD}); update imges"
        )


def _where(connection: Connection) -> str:
    url = connection.engine.url
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)
