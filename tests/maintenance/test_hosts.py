"""Zipline, Lsky Pro and XBackBone move in: every form of address that they wrote shows the right bytes."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imges.catalog import Shows
from imges.errors import NotFound
from imges.maintenance.hosts import host_of
from imges.maintenance.hosts.dump_file import NotUnderstood
from imges.maintenance.hosts.host import Host
from tests import drawn
from tests.maintenance.collection import Library
from tests.maintenance.test_import import imported, put

A, B, C, D = (drawn.png(number) for number in (9, 10, 11, 12))


def host(kind: str, dump: Path | None, *, tokens: bool = False) -> Host:
    return host_of(kind, dump, site=None, owners=True, tokens=tokens)


async def shown(library: Library, path: str) -> bytes | str:
    """The bytes that the old address shows, or the original's name if it shows the page."""
    shows, image = await library.pictures.catalog.old_addresses.find(path, datetime.now(UTC))
    files = {Shows.ORIGINAL: image.original, Shows.THUMB: image.thumb}
    return library.file(files[shows].key).read_bytes() if shows in files else image.original_filename


# Zipline


def exported(**changes: Any) -> dict[str, Any]:
    files = [
        {"id": "f1", "name": "abc.png", "originalName": "My cat.png", "createdAt": "2024-05-01T10:00:00.000Z",
         "type": "image/png", "views": 7, "userId": "u1", "password": None, "maxViews": None, "deletesAt": None},
        {"id": "f2", "name": "secret.png", "createdAt": "2024-05-01T10:00:00.000Z", "type": "image/png",
         "password": "hash", "userId": "u1"},
        {"id": "f3", "name": "song.mp3", "createdAt": "2024-05-01T10:00:00.000Z", "type": "audio/mpeg"},
        {"id": "f4", "name": "ends.png", "createdAt": "2024-05-01T10:00:00.000Z", "type": "image/png",
         "deletesAt": "2999-01-01T00:00:00.000Z"},
        {"id": "f5", "name": "odd.png", "createdAt": "nonsense", "type": "image/png"},
    ]  # fmt: skip
    return {
        "versions": {"zipline": "4.2.0", "node": "v22", "export": "4"},
        "request": {"user": "admin:u1", "env": {"CORE_SECRET": "the host's secret"}},
        "data": {
            "settings": {"filesRoute": "/f"},
            "users": [{"id": "u1", "username": "anna", "password": "hash"}],
            "userTags": [{"id": "t", "name": "sea", "files": ["f1"]}],
            "folders": [{"id": "o", "name": "x", "files": []}],
            "urls": [{"id": "l"}],
            "files": files,
        },
    } | changes


def zipline(folder: Path) -> Path:
    for name, content in {"abc.png": A, "secret.png": B, "ends.png": C, "odd.png": D, "song.mp3": b"x"}.items():
        put(folder, f"uploads/{name}", content)
    put(folder, "uploads/.thumbnail.f9.jpg", drawn.jpeg(64))
    put(folder, "uploads/zipline_partial_1.png", A)
    (folder / "export.json").write_text(json.dumps(exported()))
    return folder


async def test_a_zipline_with_its_export(library: Library, tmp_path: Path):
    old = zipline(tmp_path / "old")
    moved = host("zipline", old / "export.json")
    done, said = await imported(library, old, host=moved)
    assert (done.pictures, moved.counted["folders"], moved.counted["short addresses"]) == (2, 1, 1)
    for path in ("/f/abc.png", "/u/abc.png", "/raw/abc.png", "/r/abc.png"):
        assert await shown(library, path) == A, path
    assert await shown(library, "/view/abc.png") == "My cat.png"
    assert await shown(library, "/f/ends.png") == C
    _, image = await library.pictures.catalog.old_addresses.find("/u/abc.png", datetime.now(UTC))
    assert (image.original_filename, image.views, image.tags, image.api_key) == ("My cat.png", 7, ("sea",), "anna")
    assert image.created == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert image.original.key.startswith("2024/05/01/")
    for left_out, reason in (("secret.png", "password"), ("song.mp3", "no picture"), ("odd.png", "makes no sense")):
        assert any(reason in line for line in said.about(left_out)), left_out
        with pytest.raises(NotFound):
            await shown(library, f"/u/{left_out}")
    assert said.about("partial") == []
    assert not any("secret" in line and "host" in line for line in said.lines)
    again, _ = await imported(library, old, host=host("zipline", old / "export.json"))
    assert (again.pictures, again.present, again.mended) == (0, 2, 0)


async def test_a_zipline_without_its_export_keeps_addresses_and_the_export_mends_the_rest(
    library: Library, tmp_path: Path
):
    old = zipline(tmp_path / "old")
    (old / "uploads/secret.png").unlink()
    (old / "uploads/odd.png").unlink()
    done, _ = await imported(library, old, host=host("zipline", None))
    assert done.pictures == 2
    assert await shown(library, "/u/abc.png") == A
    done, _ = await imported(library, old, host=host("zipline", old / "export.json"))
    assert (done.pictures, done.present, done.mended) == (0, 2, 2)
    assert await shown(library, "/f/abc.png") == A
    assert await shown(library, "/view/abc.png") == "My cat.png"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no export of Zipline"),
        ("{}", "no export of Zipline"),
        ("[" * 100_000, "no export of Zipline"),
        (json.dumps(exported(versions={"export": "3"})), "version '3'.*update Zipline"),
        (json.dumps(exported(data={"files": [], "users": [5]})), "not as Zipline 4 exports it"),
        (json.dumps(exported(data={"files": {}, "users": []})), "an export of version"),
    ],
)
async def test_what_is_no_export_of_zipline_is_refused(library: Library, tmp_path: Path, text: str, reason: str):
    old = zipline(tmp_path / "old")
    (old / "export.json").write_text(text)
    with pytest.raises(NotUnderstood, match=reason):
        await imported(library, old, host=host("zipline", old / "export.json"))
    assert await library.rows() == []


# Lsky Pro

LSKY = """
CREATE TABLE images (id INTEGER, user_id INTEGER, album_id INTEGER, strategy_id INTEGER, "key" TEXT, path TEXT,
    name TEXT, origin_name TEXT, alias_name TEXT, size REAL, mimetype TEXT, extension TEXT, md5 TEXT, sha1 TEXT,
    permission INTEGER,
    is_unhealthy INTEGER, uploaded_ip TEXT, created_at TEXT);
CREATE TABLE strategies (id INTEGER, "key" INTEGER, name TEXT, configs TEXT);
CREATE TABLE users (id INTEGER, name TEXT, email TEXT);
CREATE TABLE albums (id INTEGER, name TEXT);
INSERT INTO strategies VALUES (1,1,'local','{"url":"https:\\/\\/old.example\\/i","root":""}');
INSERT INTO strategies VALUES (2,1,'second','{"url":"https://old.example/p%20q/","queries":"?x"}');
INSERT INTO users VALUES (1,'anna','a@example.org');
INSERT INTO albums VALUES (1,'one');
INSERT INTO images VALUES (1,1,1,1,'Ab1xyz','2022/05/01','626e.png','cat.png',NULL,1,'image/png','png','m1','s',1,0,
    '192.0.2.7','2022-05-01 10:00:00');
INSERT INTO images VALUES (2,NULL,NULL,1,'Cd2xyz','2022/05/01','626e.png','copy.png',NULL,1,'image/png','png','m1','s',
    0,0,'','2022-05-02 10:00:00');
INSERT INTO images VALUES (3,1,NULL,2,'Ef3xyz','deep/er','x.PNG','x.PNG',NULL,1,'image/png','PNG','m3','s',1,0,'',NULL);
INSERT INTO images VALUES (4,1,NULL,1,'Gh4xyz','2022/05/01','bad.png','x.png',NULL,1,'image/png','png','m4','s',1,1,'',
    NULL);
INSERT INTO images VALUES (5,1,NULL,1,'Ij5xyz','2022/05/01','odd.png','x.png',NULL,1,'image/png','png','m5','s',1,0,'',
    'x');
"""


def lsky(folder: Path) -> Path:
    for name, content in {"2022/05/01/626e.png": A, "deep/er/x.PNG": B, "2022/05/01/bad.png": C}.items():
        put(folder, f"storage/app/uploads/{name}", content)
    put(folder, "storage/app/uploads/2022/05/01/odd.png", D)
    return folder


def in_sqlite(file: Path, script: str) -> Path:
    with closing(sqlite3.connect(file)) as database:
        database.executescript(script.replace("\\/", "/"))
    return file


def in_mysql(file: Path, script: str) -> Path:
    file.write_text(script.replace('"key"', "`key`").replace("\\/", "\\\\/"))
    return file


@pytest.mark.parametrize("made", [in_sqlite, in_mysql])
async def test_a_lsky_with_its_database(library: Library, tmp_path: Path, made: Any):
    old = lsky(tmp_path / "old")
    moved = host("lsky", made(tmp_path / "database", LSKY))
    done, said = await imported(library, old, host=moved)
    assert (done.pictures, moved.counted["albums"]) == (2, 1)
    for path in ("/i/2022/05/01/626e.png", "/Ab1xyz.png", "/Ab1xyz.PNG", "/Cd2xyz.png"):
        assert await shown(library, path) == A, path
    for path in ("/p q/deep/er/x.PNG", "/Ef3xyz.PNG", "/Ef3xyz.png"):
        assert await shown(library, path) == B, path
    _, image = await library.pictures.catalog.old_addresses.find("/Ab1xyz.png", datetime.now(UTC))
    assert await shown(library, "/thumbnails/m1.png") == library.file(image.thumb.key).read_bytes()
    assert (image.original_filename, image.api_key) == ("cat.png", "anna")
    assert "unhealthy" in said.about("bad.png")[0]
    assert any("picture 5" in line for line in said.lines)
    again, _ = await imported(library, old, host=host("lsky", tmp_path / "database"))
    assert (again.pictures, again.present, again.mended) == (0, 2, 0)


# XBackBone

XBACKBONE = """
CREATE TABLE users (id INTEGER, email TEXT, username TEXT, user_code TEXT, token TEXT, active INTEGER);
CREATE TABLE uploads (id INTEGER, user_id INTEGER, code TEXT, filename TEXT, storage_path TEXT, published INTEGER,
    "timestamp" TEXT);
CREATE TABLE tags (id INTEGER, name TEXT);
CREATE TABLE uploads_tags (upload_id INTEGER, tag_id INTEGER);
INSERT INTO users VALUES (1,'a@example.org','anna','aBc12','token_of_anna',1),(2,'b','bob','Zz999',NULL,1);
INSERT INTO uploads VALUES (1,1,'vanity','My cat.PNG','aBc12/code1.png',0,'2023-01-02 03:04:05');
INSERT INTO uploads VALUES (2,2,'code2','b.png','Zz999/code2.png',1,'2023-01-02 03:04:05');
INSERT INTO uploads VALUES (3,2,'code3','c.zip','Zz999/code3.zip',1,'2023-01-02 03:04:05');
INSERT INTO tags VALUES (1,'sea');
INSERT INTO uploads_tags VALUES (1,1);
"""


@pytest.mark.parametrize("made", [in_sqlite, in_mysql])
async def test_a_xbackbone_with_its_database(library: Library, tmp_path: Path, made: Any):
    for name, content in {"aBc12/code1.png": A, "Zz999/code2.png": B, "Zz999/code3.zip": b"x"}.items():
        put(tmp_path / "old", f"storage/{name}", content)
    moved = host("xbackbone", made(tmp_path / "database", XBACKBONE), tokens=True)
    done, _ = await imported(library, tmp_path / "old", host=moved)
    assert (done.pictures, done.refused, moved.counted["files that are no pictures"]) == (2, 1, 1)
    for path in (
        *("/aBc12/vanity", "/aBc12/vanity.png", "/aBc12/vanity.PNG", "/aBc12/vanity/raw", "/aBc12/vanity/raw.png"),
        *("/aBc12/vanity/download", "/aBc12/code1.png"),
    ):
        assert await shown(library, path) == A, path
    assert await shown(library, "/Zz999/code2") == B
    _, image = await library.pictures.catalog.old_addresses.find("/aBc12/vanity", datetime.now(UTC))
    assert (image.original_filename, image.tags, image.api_key) == ("My cat.PNG", ("sea",), "anna")
    assert moved.owners.texts == {"anna": "token_of_anna", "bob": None}


@pytest.mark.parametrize("kind", ["lsky", "xbackbone"])
@pytest.mark.parametrize("content", [b"", b"CREATE TABLE a (b int);", b"SQLite format 3\0 damaged", b"<xml/>"])
async def test_a_database_of_something_else_is_refused(library: Library, tmp_path: Path, kind: str, content: bytes):
    (tmp_path / "dump").write_bytes(content)
    put(tmp_path / "old", "a.png", A)
    with pytest.raises(NotUnderstood):
        await imported(library, tmp_path / "old", host=host(kind, tmp_path / "dump"))
    assert await library.rows() == []
