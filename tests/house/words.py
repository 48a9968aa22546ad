"""Finds wording that has to be read twice: `python -m tests.house.words` prints each place and what to write instead.

It reads docstrings, comments, messages, names of tests, templates, scripts, documentation and the comments of settings.
Each pattern was common in this repository and has a plain English form. Wording that is right in some sentences is left
to reviewers.
"""

import io
import re
import sys
import token
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("imges", "backends", "templates", "tests", "benchmarks", "release", "deploy", "docs")
TYPES = {".py", ".md", ".html", ".js", ".css", ".yaml", ".yml", ".toml", ".conf", ".cfg", ".service", ".socket"}
NAMES = {"Makefile", "Caddyfile", "Dockerfile"}
SKIPPED = {"node_modules", "house"}
"""Folders: what others wrote, and this check with its tests."""

_BE = "is|are|was|were|has|have|had|would|could|can|may|might|must|will|does|do"
_VERB = f"(?:{_BE}|needs?|takes?|keeps?|comes?|goes|makes?)"
"""What tells 'for' in the sense of 'because' from 'for' before a noun: a verb after the subject."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Wording to avoid. A space in *regex* matches any white space, so that sentences are found across lines."""

    regex: str
    advice: str

    def compiled(self) -> re.Pattern[str]:
        """For text in small letters."""
        return re.compile(self.regex.replace(" ", r"\s+"))


PATTERNS = (
    Pattern(
        r"\b(?:whoever|whomever|whosoever|whom)\b",
        "name the actor: the client, the sweep, the worker",
    ),
    Pattern(
        r"\b(?:for|of|to|by|from|than|but|only|and|with|or|that|at|on|in) who\b",
        "name the actor before 'who', or leave 'who' out: 'clients that ask'",
    ),
    Pattern(
        r"\b(?:told|untold|tells? of|telling of)\b",
        "use the field's verb: returns, reports, logs, names, answers; the client gets",
    ),
    Pattern(
        r"\b(?:heard|hears?|asked|asks?|known|knows?|said|says?|spoken|speaks?) of\b",
        "say who learns, asks, knows or says it, and 'about'; or use a plain verb: reads, receives, requires",
    ),
    Pattern(
        r"\b(?:is|are|was|were|be|been) looked (?:for|at|after|through)\b",
        "name the actor and what it does: searches for, checks, compares, reads",
    ),
    Pattern(
        r"\bbe it\b",
        "write 'whether it is … or …', or leave it out",
    ),
    Pattern(
        r"\bbe that\b|\bcomes? to it\b|\bcomes? about\b",
        "write what happens, with a plain verb",
    ),
    Pattern(
        r"\bthat there (?:is|are|was|were) (?:not|no|none)\b",
        "write 'that does not exist'",
    ),
    Pattern(
        r"\bwhere there (?:is|are|was|were) none\b|\bwhere (?:it|they|he) \w+ not\b",
        "'where' is for places: write 'if there is none', 'if it does not'",
    ),
    Pattern(
        rf"\bfor (?:it|they|there|we|you|this|that|nobody|somebody|everybody|nothing|otherwise|then|so) {_VERB}\b",
        "write 'because'",
    ),
    Pattern(
        rf", for (?:the|a|an|its|our|their|each|all|no) \w+ {_VERB}\b",
        "write 'because'",
    ),
    Pattern(
        r"(?<!none\s)(?<!some\s)(?<!all\s)(?<!each\s)(?<!most\s)(?<!one\s)(?<!any\s)(?<!both\s)\bof which\b",
        "make it two sentences, and repeat the noun",
    ),
    Pattern(
        r"\bis (?:nobody|somebody|everybody)'s\b",
        "write what it belongs to, or that it belongs to nothing",
    ),
    Pattern(
        r"\b(?:shall|as yet|albeit|whilst|hence|thence|upon|lest|therein|wherein|whereof|thereof|thereby|herein)\b",
        "use today's word",
    ),
    Pattern(
        r"\braises: ",
        "write a sentence: Raises `StorageFull` if …",
    ),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A place in *file* that a pattern matches."""

    file: Path
    line: int
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: '{self.text}': {self.advice}"


_ANY = re.compile("|".join(pattern.compiled().pattern for pattern in PATTERNS))


def hits(file: Path, text: str) -> Iterator[Hit]:
    """What the patterns find in *text*, the content of *file*, in the order of its lines."""
    text = text.lower()
    if not _ANY.search(re.sub(r"[_#\"/*>{-]", " ", text)):  # most files; to take Python apart is what takes long
        return
    prose = {".py": _prose_of_python, ".js": _prose_of_script}.get(file.suffix, _prose)(text)
    found = [(match, pattern) for pattern in PATTERNS for match in pattern.compiled().finditer(prose)]
    for match, pattern in sorted(found, key=lambda pair: pair[0].start()):
        yield Hit(file, prose.count("\n", 0, match.start()) + 1, " ".join(match.group().split()), pattern.advice)


def _prose(text: str) -> str:
    """*text* without the marks that begin a line of a comment, a list or a quotation."""
    return re.sub(r"(?m)^([ \t]*)(#+|//+|/?\*+|--|>|\{#)", lambda found: " " * len(found.group()), text)


def _prose_of_script(source: str) -> str:
    """The comments and texts of the JavaScript in *source*, with NUL instead of each character of code."""
    kept = re.compile(r"(//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\")", re.DOTALL)
    parts = kept.split(source)
    parts[::2] = [re.sub(r"\S", "\0", code) for code in parts[::2]]
    return _prose("".join(parts))


def _prose_of_python(source: str) -> str:
    """*source* with NUL instead of each character of code, so that no pattern reaches over it; its lines are kept."""
    lines = source.splitlines(keepends=True)
    begins = [0]
    for line in lines:
        begins.append(begins[-1] + len(line))
    prose = list(re.sub(r"\S", "\0", source))
    before = ""
    for part in tokenize.generate_tokens(io.StringIO(source).readline):
        begin = begins[part.start[0] - 1] + part.start[1]
        shown = _words(part, before)
        prose[begin : begin + len(shown)] = shown
        before = part.string
    return "".join(prose)


def _words(part: tokenize.TokenInfo, before: str) -> str:
    """The words of one token, as long as the token is; `""` for code."""
    if part.type == token.COMMENT:
        return " " + part.string[1:]
    if part.type == token.STRING:
        prefix, quote = re.match(r"(\w*)(\"\"\"|'''|\"|')", part.string).groups()  # pyright: ignore[reportOptionalMemberAccess]
        inner = part.string[len(prefix) + len(quote) : -len(quote)]
        if "b" in prefix or not re.search(r"\s", inner):  # names are no sentences
            return ""
        if "f" in prefix:
            inner = re.sub(r"\{[^{}]*\}", lambda code: "\0" * len(code.group()), inner)
        return " " * (len(prefix) + len(quote)) + inner + " " * len(quote)
    if part.type == token.NAME and before == "def" and part.string.startswith("test_"):
        return part.string.replace("_", " ")
    return ""


def files(root: Path) -> Iterator[Path]:
    """The files to read, relative to *root*."""
    found = [path for folder in FOLDERS for path in (root / folder).rglob("*")] + list(root.iterdir())
    for path in sorted(found):
        inside = path.relative_to(root)
        if path.is_file() and (path.suffix in TYPES or path.name in NAMES) and not SKIPPED.intersection(inside.parts):
            yield inside


def main(names: Iterable[str] = ()) -> int:
    """Prints every hit in the files that begin with one of *names*, or in all; returns the exit status."""
    chosen = tuple(names) or ("",)
    found = 0
    for file in files(ROOT):
        if file.as_posix().startswith(chosen):
            for hit in hits(file, (ROOT / file).read_text(encoding="utf-8")):
                sys.stdout.write(f"{hit}\n")
                found += 1
    if found:
        sys.stderr.write(f"{found} places have wording that has to be read twice; see tests/house/words.py\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
