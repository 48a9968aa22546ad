"""A name server for the world of the fetch: names of outside and inside addresses, and names that change."""

import itertools
from collections import defaultdict

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord  # pyright: ignore[reportMissingTypeStubs]  (it has none)
from dnslib.server import BaseResolver, DNSLogger, DNSServer  # pyright: ignore[reportMissingTypeStubs]

from tests.hostile.addresses import INSIDE

OUT, OUT6, OTHER = "93.184.215.14", "2606:4700::1111", "8.8.8.8"
MIXED = {
    "mixed": [OUT, "127.0.0.1"],
    "mixed-first": ["127.0.0.1", OUT],
    "mixed-six": [OUT, "::1"],
    "mixed-six-first": ["::1", OUT6],
    "mixed-meta": [OUT6, "169.254.169.254"],
    "mixed-many": [*(f"93.184.215.{n}" for n in range(15, 50)), "10.0.0.1"],
    "both": [OUT, OUT6],
}
KNOWN = {
    "out": [OUT],
    "out6": [OUT6],
    "other": [OTHER],
    "xn--bcher-kva": [OUT],
    "localhost": ["127.0.0.1"],
    "img": ["127.0.0.1"],
    "example.com": ["127.0.0.1"],
    "zero": ["0.0.0.0"],
    "mapped": ["::ffff:7f00:1"],
    "empty": [],
}
REBINDING = {
    "rebind": itertools.cycle([[OUT], ["127.0.0.1"]]),
    "rebind-back": itertools.cycle([["127.0.0.1"], [OUT]]),
    "rebind-late": itertools.chain([[OUT]] * 2, itertools.repeat(["127.0.0.1"])),
    "rebind-meta": itertools.cycle([[OUT], ["169.254.169.254"]]),
}
ALIASES = {
    "alias": "inside-0.test",
    "alias-of-alias": "alias.test",
    "alias-of-localhost": "localhost",
    "alias-outside": "out.test",
    "loop": "loop.test",
}


class Resolver(BaseResolver):
    """Answers questions for `.test`. A rebinding name gives another address at each question."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, list[str]] = defaultdict(list)

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        reply = request.reply()
        name = str(request.q.qname).rstrip(".").lower()
        if name.startswith("hang."):
            raise TimeoutError  # no answer is sent
        self._answer(reply, name, QTYPE[request.q.qtype])
        return reply

    def _answer(self, reply: DNSRecord, name: str, kind: str) -> None:
        first = name.removesuffix(".test")
        if first in ALIASES:
            reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(ALIASES[first]), ttl=0))
            if ALIASES[first] != name:
                self._answer(reply, ALIASES[first], kind)
            return
        if first == "servfail":
            reply.header.rcode = RCODE.SERVFAIL
            return
        found = self._addresses(first, kind)
        if found is None:
            reply.header.rcode = RCODE.NXDOMAIN
            return
        for address in found:
            if (":" in address) == (kind == "AAAA"):
                data = AAAA(address) if ":" in address else A(address)
                reply.add_answer(RR(name, getattr(QTYPE, kind), rdata=data, ttl=0))

    def _addresses(self, first: str, kind: str) -> list[str] | None:
        if first in REBINDING:
            return next(REBINDING[first]) if kind == "A" else []
        if first in MIXED:
            return MIXED[first]
        if first.startswith("inside-"):
            return [["127.0.0.1", "::1", *INSIDE][int(first.removeprefix("inside-"))]]
        return KNOWN.get(first)


def serve(address: str) -> None:
    for tcp in (True, False):
        DNSServer(
            Resolver(), address=address, port=53, tcp=tcp, logger=DNSLogger(log="-request,-reply,-error,-truncated")
        ).start_thread()
