"""Rows out of a MySQL dump, as `mysqldump` and phpMyAdmin write it: read as a stream, a row at a time in memory."""

import gzip
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

BLOCK = 2**20
"""Characters that are read at a time."""

_TOKEN = re.compile(
    r"""
      (?P<string>'(?:[^'\\]++|\\.|'')*+')
    | (?P<name>`(?:[^`]++|``)*+`)
    | (?P<comment>--[ \t][^\n]*\n | --\n | \#[^\n]*\n | /\*.*?\*/)
    | (?P<word>[\w.+-]+)
    | (?P<space>\s+)
    | (?P<sign>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}

OPENING = ("'", "`", "/*")
"""What a string, a name and a comment begin with."""

Token = tuple[str, str]
"""Its kind, and its text as it stands."""
Row = dict[str, str | None]


def rows(file: Path, tables: re.Pattern[str]) -> Generator[tuple[str, Row]]:
    """Each row of the tables whose names are of *tables*: the table's name, and its values by column.

    What follows a statement that is none of ours is passed over. Raises: OSError.
    """
    with _opened(file) as opened:
        tokens = _significant(_tokens(opened))
        columns: dict[str, list[str]] = {}
        for kind, text in tokens:
            if kind != "word":
                continue
            word = text.upper()
            if word == "CREATE":
                _read_columns(tokens, columns)
            elif word in {"INSERT", "REPLACE"}:
                yield from _inserted(tokens, tables, columns)


def _opened(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", errors="replace", newline="")
    return file.open(encoding="utf-8", errors="replace", newline="")


def _tokens(file: IO[str]) -> Iterator[Token]:
    """A token that ends where the text read so far does may go on, and so may one that is only begun: more is read."""
    text, at, ended = "", 0, False
    while True:
        match = _TOKEN.match(text, at)
        begun = text.startswith(OPENING, at) and match is not None and match.lastgroup == "sign"
        if not ended and (match is None or match.end() + 1 >= len(text) or begun):
            more = file.read(max(BLOCK, len(text) - at))
            text, at, ended = text[at:] + more, 0, not more
            continue
        if match is None:
            return
        at = match.end()
        assert match.lastgroup
        yield match.lastgroup, match[0]


def _significant(tokens: Iterator[Token]) -> Iterator[Token]:
    return (token for token in tokens if token[0] not in {"space", "comment"})


def _read_columns(tokens: Iterator[Token], columns: dict[str, list[str]]) -> None:
    """Behind CREATE: the columns of a table in their order, for inserts that do not name them."""
    table, depth, first = None, 0, False
    for kind, text in tokens:
        if text == ";" and kind == "sign":
            return
        if text == "(":
            depth += 1
            first = depth == 1
            continue
        if text == ")":
            depth -= 1
        elif kind == "name" and table is None:
            table = _name(text)
            columns[table] = []
        elif kind == "name" and first and table is not None:
            columns[table].append(_name(text))
        first = text == "," and depth == 1


def _inserted(
    tokens: Iterator[Token], tables: re.Pattern[str], columns: dict[str, list[str]]
) -> Iterator[tuple[str, Row]]:
    """Behind INSERT, up to the end of the statement."""
    table = None
    for kind, text in tokens:
        if kind == "name" or (kind == "word" and text.upper() not in {"INTO", "IGNORE", "LOW_PRIORITY", "DELAYED"}):
            table = _name(text)
            break
    if table is None:
        return
    names = _listed(tokens) or columns.get(table, [])
    wanted = tables.fullmatch(table) is not None
    for kind, text in tokens:
        if kind == "sign" and text == ";":
            return
        if kind == "sign" and text == "(":
            values = _values(tokens)
            if wanted and len(values) == len(names):
                yield table, dict(zip(names, values, strict=True))


def _listed(tokens: Iterator[Token]) -> list[str]:
    """The columns that an INSERT names, up to its VALUES."""
    names: list[str] = []
    for kind, text in tokens:
        if kind == "word" and text.upper() in {"VALUES", "VALUE"}:
            break
        if kind in {"name", "word"}:
            names.append(_name(text))
    return names


def _values(tokens: Iterator[Token]) -> list[str | None]:
    """The values of one row, behind its `(`; what is computed is `None`."""
    values: list[str | None] = []
    value: str | None = None
    depth = 1
    for kind, text in tokens:
        if kind == "sign" and text == "(":
            depth += 1
        elif kind == "sign" and text == ")":
            depth -= 1
            if not depth:
                return [*values, value]
        elif depth > 1:
            continue
        elif kind == "sign" and text == ",":
            values.append(value)
            value = None
        elif kind == "string":
            value = _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]) if match[1] else "'", text[1:-1])
        elif kind == "word":
            value = _bare(text)
    return values


def _bare(word: str) -> str | None:
    """What stands without quotes: a number, bytes in hex, NULL."""
    if word.startswith(("0x", "0X")):
        return bytes.fromhex(word[2:]).decode(errors="replace")
    return word if word[0].isdigit() or word[0] in "+-." else None


def _name(text: str) -> str:
    return text[1:-1].replace("``", "`") if text.startswith("`") else text
