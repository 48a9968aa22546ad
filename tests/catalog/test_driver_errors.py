"""No error of a driver leaves the catalog, whichever the drivers define, but those about our own statements."""

import sqlite3

import asyncpg
import pytest
import sqlalchemy.exc

from imges.catalog.postgres import _raise_translated
from imges.catalog.sqlite import SqliteDatabase
from imges.errors import BadParameter, CatalogFull, CatalogUnavailable
from tests.raised import classes_of, instance_of, name_of

OUR_STATEMENTS = {"SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_MISUSE"}
CODES = {
    name: getattr(sqlite3, name)
    for name in [
        "SQLITE_ERROR",
        "SQLITE_INTERNAL",
        "SQLITE_PERM",
        "SQLITE_ABORT",
        "SQLITE_BUSY",
        "SQLITE_LOCKED",
        "SQLITE_NOMEM",
        "SQLITE_READONLY",
        "SQLITE_INTERRUPT",
        "SQLITE_IOERR",
        "SQLITE_CORRUPT",
        "SQLITE_NOTFOUND",
        "SQLITE_FULL",
        "SQLITE_CANTOPEN",
        "SQLITE_PROTOCOL",
        "SQLITE_EMPTY",
        "SQLITE_SCHEMA",
        "SQLITE_TOOBIG",
        "SQLITE_CONSTRAINT",
        "SQLITE_MISMATCH",
        "SQLITE_MISUSE",
        "SQLITE_NOLFS",
        "SQLITE_AUTH",
        "SQLITE_FORMAT",
        "SQLITE_RANGE",
        "SQLITE_NOTADB",
    ]
}
OUTSIDE = {"SQLITE_NOMEM"}
"""Python raises `MemoryError` for it."""

KINDS = [kind for kind in classes_of("sqlite3") if issubclass(kind, sqlite3.Error)]
WRAPPERS = [
    kind
    for kind in classes_of("sqlalchemy")
    if issubclass(kind, sqlalchemy.exc.DBAPIError) and kind.__module__ == "sqlalchemy.exc"
]


@pytest.fixture
async def database(tmp_path):
    database = await SqliteDatabase.open(tmp_path / "imges.db")
    yield database
    await database.close()


def raising(error):
    def work(_):
        raise error

    return work


def of_code(kind, name):
    error = kind("injected")
    error.sqlite_errorcode, error.sqlite_errorname = CODES[name], name
    return error


def test_there_are_many():
    assert len(KINDS) > 8
    assert len(WRAPPERS) > 8


@pytest.mark.parametrize("name", sorted(CODES.keys() - OUTSIDE))
@pytest.mark.parametrize("way", ["read", "write"])
async def test_every_code_of_sqlite_is_ours_unless_it_is_about_our_statements(database, name, way):
    expected = sqlite3.OperationalError if name in OUR_STATEMENTS else CatalogUnavailable
    with pytest.raises(CatalogFull if name == "SQLITE_FULL" else expected):
        await getattr(database, way)(raising(of_code(sqlite3.OperationalError, name)))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
async def test_every_class_of_sqlite3_is_ours(database, kind):
    with pytest.raises(CatalogUnavailable):
        await database.read(raising(of_code(kind, "SQLITE_IOERR")))


@pytest.mark.parametrize("kind", WRAPPERS, ids=name_of)
async def test_every_class_that_sqlalchemy_wraps_them_in_is_ours(database, kind):
    with pytest.raises(CatalogUnavailable):
        await database.read(raising(kind("SELECT 1", {}, of_code(sqlite3.OperationalError, "SQLITE_IOERR"))))


# PostgreSQL: without a server, since no server can be made to say all of them

SERVERS_STATE = ("08", "25006", "28", "3D", "42501", "53", "55P03", "57", "58", "F0", "XX")
"""SQLSTATEs of a server that cannot be used as it is. The others are about our statements and their values."""

POSTGRES = [kind for kind in classes_of("asyncpg") if issubclass(kind, asyncpg.PostgresError) and kind.sqlstate]


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "wrapped"])
def test_every_class_of_a_server_s_state_is_ours(wrapped):
    assert len(POSTGRES) > 200
    leaving = []
    for kind in POSTGRES:
        error = instance_of(kind)
        if wrapped:
            wrapper = sqlalchemy.exc.DBAPIError("SELECT 1", {}, error)
            wrapper.__cause__ = error
            error = wrapper
        try:
            _raise_translated(error)
        except CatalogUnavailable:
            expected = (kind.sqlstate or "").startswith(SERVERS_STATE)
        except BadParameter:
            expected = kind.sqlstate == "22021"
        except (sqlalchemy.exc.DBAPIError, asyncpg.PostgresError):
            expected = not (kind.sqlstate or "").startswith(SERVERS_STATE)
        if not expected:
            leaving.append(name_of(kind))
    assert leaving == []


@pytest.mark.parametrize(
    "kind",
    [
        *(kind for kind in classes_of("asyncpg") if issubclass(kind, asyncpg.InternalClientError)),
        sqlalchemy.exc.TimeoutError,
        *(kind for kind in classes_of("builtins") if issubclass(kind, OSError)),
    ],
    ids=name_of,
)
def test_every_error_of_the_way_to_the_server_is_ours(kind):
    with pytest.raises(CatalogUnavailable):
        _raise_translated(instance_of(kind))
