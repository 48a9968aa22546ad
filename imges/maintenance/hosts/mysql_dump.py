"""Rows out of a MySQL dump, as `mysqldump` and phpMyAdmin write it: read as a stream, a row at a time in memory."""

import re
from collections.abc import Generator, Iterator
from itertools import takewhile
from pathlib import Path
from typing import IO

from imges.maintenance.hosts.dump_file import NotUnderstood, opened

BLOCK = 2**20
"""Characters that are read at a time."""

_TOKEN = re.compile(
    r"""
      (?P<string>'(?:[^'\\]++|\\.|'')*+')
    | (?P<name>`(?:[^`]++|``)*+` | "(?:[^"\\]++|\\.|"")*+")
    | (?P<comment>--[ \t][^\n]*\n | --\n | \#[^\n]*\n | /\*.*?\*/)
    | (?P<word>[\w.+-]+)
    | (?P<space>\s+)
    | (?P<sign>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = {quote: re.compile(rf"\\(.)|{quote}{quote}", re.DOTALL) for quote in ("'", '"')}
_ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}

OPENING = ("'", "`", '"', "/*")
"""What a string, a name and a comment begin with."""

Token = tuple[str, str]
"""Its kind, and its text as it stands."""
Row = dict[str, str | None]

OPEN, CLOSE, COMMA, END = ("sign", "("), ("sign", ")"), ("sign", ","), ("sign", ";")
NESTING = {OPEN: 1, CLOSE: -1}
BEFORE_TABLE = {"INTO", "IGNORE", "LOW_PRIORITY", "DELAYED"}
"""Words between INSERT and the name of the table."""
BEFORE_CREATED = {"TABLE", "TEMPORARY", "IF", "NOT", "EXISTS"}
"""Words between CREATE and the name of the table."""
VALUES = {"VALUES", "VALUE"}
NO_COLUMN = {"PRIMARY", "KEY", "UNIQUE", "CONSTRAINT", "INDEX", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "PERIOD"}
"""Words that begin a definition in CREATE TABLE that is not of a column."""
NAMES = {"name", "word"}
"""Kinds of tokens that may be a name: quoted, by backticks or (ANSI) double quotes, and not."""
QUOTES = ("`", '"')


class _CutError(Exception):
    """The dump ends within a row, a text or a comment."""


def rows(file: Path, tables: re.Pattern[str]) -> Generator[tuple[str, Row | None]]:
    """Yields each row of the *tables*, given by their own names: the table, and the row's values by column.

    The table has the name of its database before it, with a dot, if the dump says which that is. The row is `None` if
    it has more or fewer values than there are columns. Other statements than INSERT, REPLACE, CREATE and USE are passed
    over.

    Raises `NotUnderstood` if the dump is not whole, is no text, or does not name the columns of one of the *tables*;
    `OSError` if it cannot be read.
    """
    with opened(file) as text:
        try:
            yield from _Reader(file, _significant(_tokens(text)), tables).rows()
        except _CutError:
            raise NotUnderstood(
                f"{file.name} ends in the middle of a statement: it is not whole; make the dump again"
            ) from None


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
        if begun:
            raise _CutError
        at = match.end()
        assert match.lastgroup
        yield match.lastgroup, match[0]


def _significant(tokens: Iterator[Token]) -> Iterator[Token]:
    return (token for token in tokens if token[0] not in {"space", "comment"})


class _Reader:
    """Reads the statements of one dump."""

    def __init__(self, file: Path, tokens: Iterator[Token], tables: re.Pattern[str]) -> None:
        self._file = file
        self._tokens = tokens
        self._tables = tables
        self._database = ""
        self._columns: dict[str, list[str]] = {}

    def rows(self) -> Generator[tuple[str, Row | None]]:
        for kind, text in self._tokens:
            if kind != "word":
                continue
            word = text.upper()
            if word == "USE":
                self._database = next((_name(name) for kind, name in self._tokens if kind in NAMES), "")
            elif word == "CREATE":
                self._read_columns()
            elif word in {"INSERT", "REPLACE"}:
                yield from self._inserted()

    def _read_columns(self) -> None:
        """Reads a CREATE statement: the columns of a table in their order, for INSERTs that do not name them."""
        table, ending = self._table(BEFORE_CREATED)
        if table is not None:
            self._columns[table] = _defined(self._tokens) if ending == OPEN else []

    def _inserted(self) -> Generator[tuple[str, Row | None]]:
        """The rows of an INSERT, up to the end of the statement."""
        table, ending = self._table(BEFORE_TABLE)
        if table is None or ending == END:
            return
        wanted = self._tables.fullmatch(table.rpartition(".")[2]) is not None
        listed = _listed(self._tokens) if ending == OPEN else []
        if listed is None:
            return
        names = listed or self._columns.get(table, [])
        for values in _value_lists(self._tokens):
            if wanted and not names:
                raise NotUnderstood(
                    f"{self._file.name} does not say what the columns of {table} are; make the dump again with"
                    " mysqldump's --complete-insert, or without --no-create-info"
                )
            if wanted:
                yield table, dict(zip(names, values, strict=True)) if len(values) == len(names) else None

    def _table(self, before: set[str]) -> tuple[str | None, Token]:
        """Returns the table that a statement is about, and the token behind its name: `(`, VALUES or the end."""
        names: list[str] = []
        for token in self._tokens:
            kind, text = token
            if token in {OPEN, END} or (kind == "word" and text.upper() in VALUES):
                return (self._qualified(names), token) if names else (None, token)
            if kind in NAMES:
                names += [] if kind == "word" and text.upper() in before else [_name(text)]
            else:
                break
        return None, END

    def _qualified(self, names: list[str]) -> str:
        *databases, table = "".join(names).split(".")
        database = databases[-1] if databases else self._database
        return f"{database}.{table}" if database else table


def _defined(tokens: Iterator[Token]) -> list[str]:
    """The columns of a CREATE TABLE, behind its `(`: the first name of each definition that is no index or key."""
    names: list[str] = []
    depth, begins = 1, True
    for token in takewhile(lambda token: token != END, tokens):
        kind, text = token
        if begins and kind in NAMES and not (kind == "word" and text.upper() in NO_COLUMN):
            names.append(_name(text))
        depth += NESTING.get(token, 0)
        begins = depth == 1 and token == COMMA
    return names


def _listed(tokens: Iterator[Token]) -> list[str] | None:
    """The columns that an INSERT names behind its `(`, up to its VALUES. Returns `None` if the statement has none."""
    names: list[str] = []
    for kind, text in tokens:
        if (kind, text) == END:
            break
        if kind == "word" and text.upper() in VALUES:
            return names
        if kind in NAMES:
            names.append(_name(text))
    return None


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
        elif token[0] == "string" or token[1].startswith('"'):
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
    raise _CutError


def _unquoted(string: str) -> str:
    quote = string[0]
    return _ESCAPE[quote].sub(lambda match: _ESCAPED.get(match[1], match[1]) if match[1] else quote, string[1:-1])


def _bare(word: str) -> str | None:
    """The value of a *word* without quotes: a number, bytes in hex; `None` for NULL and for what is computed."""
    if word.startswith(("0x", "0X")):
        return bytes.fromhex(word[2:]).decode(errors="replace")
    return word if word[0].isdigit() or word[0] in "+-." else None


def _name(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote) if quote in QUOTES else text
