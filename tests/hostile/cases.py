"""The hostile requests: what is sent, which answers are allowed, and how many requests are sent."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.hostile.wire import LONGEST, Answer, Connect, Said, say

TAKEN = frozenset({200})
REFUSED = frozenset(range(400, 500))
TAKEN_OR_REFUSED = TAKEN | REFUSED
INSIDES = (b"Traceback", b'File "', b".py", b"/data/spool", b"/.staging", b"imges.db", b"sqlite", b"aiohttp")
"""Texts that no answer may contain."""
CLIENTS = 6


@dataclass(frozen=True)
class Case:
    """Sends *data* unchanged. The status of the first answer must be in *expect* (0: closed without an answer)."""

    name: str
    data: bytes
    expect: frozenset[int]
    check: Callable[[Said], None] | None = None
    """Checks what else has to be true. Raises `AssertionError`."""
    longest: float = LONGEST


@dataclass
class Figures:
    """The results of a group of cases."""

    statuses: Counter[int]
    longest: float

    def __str__(self) -> str:
        told = ", ".join(f"{status or 'closed'}: {count}" for status, count in sorted(self.statuses.items()))
        return f"{self.statuses.total()} requests ({told}); the longest took {self.longest:.1f} s"


def run(cases: Iterable[Case], connect: Connect, clients: int = CLIENTS) -> Figures:
    """Sends all cases. Raises `AssertionError` with each result that is wrong."""
    statuses, longest, wrong = Counter[int](), 0.0, list[str]()

    def one(case: Case) -> tuple[Case, Said]:
        return case, say(connect, case.data)

    with ThreadPoolExecutor(clients) as pool:
        for case, said in pool.map(one, cases):
            statuses[said.status] += 1
            longest = max(longest, said.seconds)
            wrong += judged(case, said)
    assert not wrong, f"{len(wrong)} are not as they should be:\n" + "\n".join(wrong[:40])
    return Figures(statuses, longest)


def judged(case: Case, said: Said) -> list[str]:
    try:
        assert said.closed, "the connection stays open"
        assert said.seconds < case.longest, f"it took {said.seconds:.1f} s"
        assert said.status in case.expect, f"expected {sorted(case.expect)[:8]}"
        assert len(said.answers) <= 1, "more than one answer"
        for answer in said.answers:
            as_it_should_be(answer)
        if case.check:
            case.check(said)
    except AssertionError as error:
        return [f"{case.name}: {said.status} {str(error).partition(chr(10))[0] or case.check}: {said.raw[-300:]!r}"]
    return []


def as_it_should_be(answer: Answer) -> None:
    """Checks what is true of every answer."""
    told = answer.body if answer.headers.get("content-type", "").startswith(("application/json", "text/")) else b""
    for word in INSIDES:
        assert word not in told, f"it names {word.decode()}"
    if answer.status >= 400 and answer.headers.get("content-type", "").startswith("application/json") and told:
        error = answer.json
        assert list(error) == ["status_code", "error", "status_txt"]
        assert error["status_code"] == answer.status
