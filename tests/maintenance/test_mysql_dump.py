"""Rows of a MySQL dump."""

import re
from pathlib import Path

import pytest

from imges.maintenance import mysql_dump

DUMP = Path(__file__).with_name("chevereto.sql")


@pytest.mark.parametrize("block", [1, 7, 64, 2**20])
def test_a_dump_is_read_alike_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch, block: int):
    whole = list(mysql_dump.rows(DUMP, re.compile(r"\w+")))
    monkeypatch.setattr(mysql_dump, "BLOCK", block)
    assert list(mysql_dump.rows(DUMP, re.compile(r"\w+"))) == whole
    assert len(whole) == 7


def read(tmp_path: Path, text: str) -> list[tuple[str, dict[str, str | None]]]:
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
        "INSERT INTO `t` (`a`,`b`) VALUES (1);",
        "INSERT INTO `t` VALUES (1);",
        "INSERT INTO `other` (`a`) VALUES (1);",
        "INSERT INTO `t` (`a`) VALUES (1",
        "UPDATE `t` SET a = (1);",
        "INSERT",
        "'",
    ],
)
def test_what_is_no_row_of_the_table_is_passed_over(tmp_path: Path, text: str):
    assert read(tmp_path, text) == []


def test_a_statement_that_is_cut_does_not_hide_the_next_one(tmp_path: Path):
    text = "INSERT INTO `t` (`a`) VALUES ; INSERT INTO `t` (`a`) VALUES (1);"
    assert read(tmp_path, text) == [("t", {"a": "1"})]
