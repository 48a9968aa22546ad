"""Rows of a MySQL dump."""

import bz2
import gzip
import lzma
import re
from pathlib import Path

import pytest

from imges.maintenance.hosts import mysql_dump
from imges.maintenance.hosts.dump_file import NotUnderstood

DUMP = Path(__file__).with_name("chevereto.sql")


@pytest.mark.parametrize("block", [1, 7, 64, 2**20])
def test_a_dump_is_read_alike_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch, block: int):
    whole = list(mysql_dump.rows(DUMP, re.compile(r"\w+")))
    monkeypatch.setattr(mysql_dump, "BLOCK", block)
    assert list(mysql_dump.rows(DUMP, re.compile(r"\w+"))) == whole
    assert len(whole) == 7


def read(tmp_path: Path, text: str) -> list[tuple[str, mysql_dump.Row | None]]:
    file = tmp_path / "dump.sql"
    file.write_text(text)
    return list(mysql_dump.rows(file, re.compile("t")))


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ("1,'a'", ["1", "a"]),
        ("-1.5,+2", ["-1.5", "+2"]),
        (".5,1e3", [".5", "1e3"]),
        ("NULL,''", [None, ""]),
        ("0x4142,0X43", ["AB", "C"]),
        (r"'it''s \'x\'','\n\0\Z\%\\'", ["it's 'x'", "\n\0\x1a%\\"]),
        ("'(;,','-- x'", ["(;,", "-- x"]),
        ("NOW(),CONCAT('a',(1),2)", [None, None]),
        ("1 /* ) */,'a' # )\n", ["1", "a"]),
        ("CURRENT_TIMESTAMP,`a`", [None, None]),
    ],
)
def test_values_are_read_as_mysql_writes_them(tmp_path: Path, values: str, row: list[str | None]):
    assert read(tmp_path, f"INSERT INTO `t` (`a`,`b`) VALUES ({values});") == [("t", dict(zip("ab", row, strict=True)))]


def test_columns_come_from_the_insert_or_from_the_table(tmp_path: Path):
    create = "CREATE TABLE `t` (`a` int(10) NOT NULL, `b` enum('x','y'), PRIMARY KEY (`a`), KEY `k` (`b`,`a`));"
    assert read(tmp_path, f"{create} INSERT INTO `t` VALUES (1,'x'),(2,'y');") == [
        ("t", {"a": "1", "b": "x"}),
        ("t", {"a": "2", "b": "y"}),
    ]
    assert read(tmp_path, f"{create} REPLACE INTO t (b) VALUE ('x');") == [("t", {"b": "x"})]
    assert read(tmp_path, "INSERT LOW_PRIORITY IGNORE INTO t (`a``b`, c) VALUES (1, 2)") == [
        ("t", {"a`b": "1", "c": "2"})
    ]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO `other` (`a`) VALUES (1);",
        "INSERT INTO `other` VALUES (1);",
        "INSERT INTO `t` (`a`) SELECT 1 FROM `u`;",
        "INSERT INTO `t` SET a = 1;",
        "UPDATE `t` SET a = (1);",
        "INSERT",
        "CREATE INDEX i ON t (a);",
    ],
)
def test_what_is_no_row_of_the_table_is_passed_over(tmp_path: Path, text: str):
    assert read(tmp_path, text) == []


def test_a_statement_that_is_cut_does_not_hide_the_next_one(tmp_path: Path):
    text = "INSERT INTO `t` (`a`) VALUES ; INSERT INTO `t` (`a`) VALUES (1);"
    assert read(tmp_path, text) == [("t", {"a": "1"})]


def test_a_row_with_another_number_of_values_is_reported(tmp_path: Path):
    assert read(tmp_path, "INSERT INTO `t` (`a`,`b`) VALUES (1),(1,2);") == [("t", None), ("t", {"a": "1", "b": "2"})]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("INSERT INTO `t` VALUES (1);", "does not say what the columns of t are.*--complete-insert"),
        ("INSERT INTO `t` (`a`) VALUES (1),(2", "middle of a statement: it is not whole"),
        ("INSERT INTO `t` (`a`) VALUES ('never ends); INSERT", "middle of a statement: it is not whole"),
        ("<?xml version='1.0'?><mysqldump/>", "it is XML.*without --xml"),
        ("\ufeff \n<mysqldump/>", "it is XML"),
        ('[{"type":"header","version":"5.2.1","comment":"Export to JSON plugin for PHPMyAdmin"}]', "it is JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, text: str, reason: str):
    with pytest.raises(NotUnderstood, match=reason):
        read(tmp_path, text)


NAMED = [
    "CREATE TABLE t (a int NOT NULL, b enum('x','y'), PRIMARY KEY (a), KEY k (b,a)); INSERT INTO t VALUES (1,'x');",
    'CREATE TABLE IF NOT EXISTS "t" ("a" int, "b" text, UNIQUE KEY "a" ("a")); INSERT INTO "t" VALUES (1,\'x\');',
    "insert into t (a, b) values (1, 'x')",
    'INSERT INTO "t" ("a", "b") VALUES (1, "x");',
    "CREATE TABLE `t` (`a` int,`b` text, CONSTRAINT `c` FOREIGN KEY (`b`) REFERENCES `u` (`v`));REPLACE t VALUE(1,'x')",
]


@pytest.mark.parametrize("text", NAMED)
def test_names_may_be_quoted_in_any_way_or_not_at_all(tmp_path: Path, text: str):
    assert read(tmp_path, text) == [("t", {"a": "1", "b": "x"})]


@pytest.mark.parametrize(
    "text",
    [
        "USE `d`; INSERT INTO `t` (`a`) VALUES (1);",
        "INSERT INTO `d`.`t` (a) VALUES (1)",
        "INSERT INTO d.t (a) VALUES (1)",
    ],
)
def test_a_table_has_the_name_of_its_database_if_the_dump_says_it(tmp_path: Path, text: str):
    assert read(tmp_path, text) == [("d.t", {"a": "1"})]


def test_quotes_of_the_other_kind_stand_for_themselves(tmp_path: Path):
    text = """INSERT INTO `t` (`a`,`b`) VALUES ('a""b', "c''d");"""
    assert read(tmp_path, text) == [("t", {"a": 'a""b', "b": "c''d"})]


TEXT = "INSERT INTO `t` (`a`) VALUES ('Grüße €');"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("cp1252"),
        TEXT.encode("utf-16"),
        gzip.compress(mtime=0, data=TEXT.encode()),
        bz2.compress(TEXT.encode("cp1252")),
        lzma.compress(TEXT.encode()),
    ],
    ids=["utf-8", "utf-8-sig", "cp1252", "utf-16", "gzip", "bzip2", "xz"],
)
def test_packed_dumps_and_other_encodings_are_read_whatever_they_are_called(tmp_path: Path, content: bytes):
    file = tmp_path / "dump"
    file.write_bytes(content)
    assert list(mysql_dump.rows(file, re.compile("t"))) == [("t", {"a": "Grüße €"})]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x28\xb5\x2f\xfd rest", "zstd -d"),
        (b"PK\x03\x04 rest", "unzip"),
        (b"PGDMP rest", "PostgreSQL"),
        (b"SQLite format 3\0", "SQLite"),
        (gzip.compress(mtime=0, data=b"<?xml version='1.0'?>"), "XML"),
        (gzip.compress(mtime=0, data=TEXT.encode() * 9)[:-20], "not whole"),
        (lzma.compress(TEXT.encode() * 99)[:-30], "not whole"),
    ],
)
def test_files_that_are_no_dump_are_refused_in_words(tmp_path: Path, content: bytes, reason: str):
    file = tmp_path / "dump.sql"
    file.write_bytes(content)
    with pytest.raises(NotUnderstood, match=reason):
        list(mysql_dump.rows(file, re.compile("t")))
