"""Rows out of a MySQL dump, as `mysqldump` and phpMyAdmin write it: read as a stream, a row at a time in memory."""

import gzip
import re
from collections.abc import Generator, Iterator
from itertools import takewhile
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

OPEN, CLOSE, COMMA, END = ("sign", "("), ("sign", ")"), ("sign", ","), ("sign", ";")
NESTING = {OPEN: 1, CLOSE: -1}
BEFORE_TABLE = {"INTO", "IGNORE", "LOW_PRIORITY", "DELAYED"}
"""Words between INSERT and the name of the table."""


def rows(file: Path, tables: re.Pattern[str]) -> Generator[tuple[str, Row]]:
    """Each row of the *tables* by name: the table's name, and the row's values by column.

    Other statements than INSERT, REPLACE and CREATE are passed over. Raises `OSError` if the file cannot be read.
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
    """All tokens of *file*, which is read block by block.

    A token that reaches the end of the text read so far may go on in the next block, and so may a string, name or
    comment whose end was not read yet. Then more is read before the token is taken.
    """
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
    """Reads a CREATE statement: the *columns* of a table in their order, for INSERTs that do not name them."""
    names = _quoted_names(tokens)
    table, _ = next(names, (None, False))
    if table is not None:
        columns[table] = [name for name, begins in names if begins]


def _quoted_names(tokens: Iterator[Token]) -> Iterator[tuple[str, bool]]:
    """The quoted names of a statement, and whether each begins a definition, as the name of a column does.

    A definition begins behind the outermost `(`, or behind a comma in it. Names of indexes stand behind a word.
    """
    depth, begins = 0, False
    for token in takewhile(lambda token: token != END, tokens):
        depth += NESTING.get(token, 0)
        if token[0] == "name":
            yield _name(token[1]), begins
        begins = depth == 1 and token in {OPEN, COMMA}


def _inserted(
    tokens: Iterator[Token], tables: re.Pattern[str], columns: dict[str, list[str]]
) -> Iterator[tuple[str, Row]]:
    """The rows of an INSERT, up to the end of the statement."""
    table = _table(tokens)
    if table is None:
        return
    names = _listed(tokens) or columns.get(table, [])
    wanted = tables.fullmatch(table) is not None
    for values in _value_lists(tokens):
        if wanted and len(values) == len(names):
            yield table, dict(zip(names, values, strict=True))


def _table(tokens: Iterator[Token]) -> str | None:
    """Which table an INSERT fills."""
    for kind, text in tokens:
        if kind == "name" or (kind == "word" and text.upper() not in BEFORE_TABLE):
            return _name(text)
    return None


def _listed(tokens: Iterator[Token]) -> list[str]:
    """The columns that an INSERT names, up to its VALUES."""
    names: list[str] = []
    for kind, text in tokens:
        if kind == "word" and text.upper() in {"VALUES", "VALUE"}:
            break
        if kind in {"name", "word"}:
            names.append(_name(text))
    return names


def _value_lists(tokens: Iterator[Token]) -> Iterator[list[str | None]]:
    """The values of each row behind VALUES."""
    for token in takewhile(lambda token: token != END, tokens):
        if token == OPEN:
            yield _values(tokens)


def _values(tokens: Iterator[Token]) -> list[str | None]:
    """The values of one row, behind its `(`; a computed value is `None`."""
    values: list[str | None] = []
    value: str | None = None
    for token in _outermost(tokens):
        if token in {COMMA, CLOSE}:
            values.append(value)
            value = None
        elif token[0] == "string":
            value = _unquoted(token[1])
        elif token[0] == "word":
            value = _bare(token[1])
    return values


def _outermost(tokens: Iterator[Token]) -> Iterator[Token]:
    """The tokens of one row, up to its `)`, without what stands in further parentheses."""
    depth = 1
    for token in tokens:
        step = NESTING.get(token, 0)
        depth += step
        if depth == 0:
            yield token
            return
        if depth == 1 and not step:
            yield token


def _unquoted(string: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]) if match[1] else "'", string[1:-1])


def _bare(word: str) -> str | None:
    """The value of a *word* without quotes: a number, bytes in hex; `None` for NULL and for what is computed."""
    if word.startswith(("0x", "0X")):
        return bytes.fromhex(word[2:]).decode(errors="replace")
    return word if word[0].isdigit() or word[0] in "+-." else None


def _name(text: str) -> str:
    return text[1:-1].replace("``", "`") if text.startswith("`") else text
