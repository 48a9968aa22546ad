"""URLs that a stranger may name as a picture, for each row of the list of threats."""

from tests.receiving.test_fetch import LOOPBACK

INSIDE = (
    "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "169.254.0.1", "169.254.169.254",
    "169.254.170.2", "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.0.1",
    "192.168.255.254", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "0.0.0.8", "fc00::1", "fd00::1",
    "fd00:ec2::254", "fec0::1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2001:db8::1", "2001::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "100::1", "3fff::1", "5f00::1",
)  # fmt: skip
"""IP addresses on which canaries listen, beside those of the loopback."""
OUTSIDE = ("93.184.215.14", "8.8.8.8", "2606:4700::1111")
NAMES = 2 + len(INSIDE)
OUT = "http://out.test"
STATUSES = (301, 302, 303, 307, 308)

TARGETS = (
    "http://127.0.0.1/", "http://127.0.0.1:81/", "http://[::1]/", "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/", "http://0x7f.1/", "//127.0.0.1/",
    "http://10.0.0.1/", "http://inside-0.test/", "http://mixed.test/", "http://user@127.0.0.1/",
    "http:\\\\127.0.0.1\\", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x",
    "data:image/png;base64,AAAA", "ftp://127.0.0.1/a", "dict://127.0.0.1:6379/", "javascript:alert(1)",
    "http://out.test:22/", "http://[", "jar:http://127.0.0.1/!/",
)  # fmt: skip

OTHERS = (
    "ftp://out.test/a", "file:///etc/passwd", "file://127.0.0.1/etc/passwd", "gopher://127.0.0.1:6379/_x",
    "dict://127.0.0.1:6379/info", "ldap://127.0.0.1/", "php://filter/x",
    "ws://out.test/", "unix:///run/x", "jar:http://127.0.0.1!/", "netdoc:///etc/passwd", "sftp://127.0.0.1/",
    "tftp://127.0.0.1/", "smb://127.0.0.1/x", "blob:http://127.0.0.1/x",
    "view-source:http://127.0.0.1/", "http+unix://x/", "httpx://127.0.0.1/", "http:/127.0.0.1/", "http:127.0.0.1",
    "http:///127.0.0.1/", "http://", "http://:80/", "http://?", "http://#",
    "http://out.test:0/", "http://out.test:22/", "http://out.test:25/", "http://out.test:81/",
    "http://out.test:6379/", "http://out.test:65536/", "http://out.test:-1/", "http://out.test:80:80/",
    "http://out.test:/x:22", "http://out.test:8081/a.png", "https://out.test:80443/", "http://out.test:0x50/",
    "http://out.test:８０/", "http://" + "a." * 2000 + "test/",
    "http://" + "a" * 64 + ".test/", "http://.test/", "http://..test/", "http://-a.test/",
    "http://out.test\\@127.0.0.1/", "http://out.test\t/", "http://out.test\r\nHost: x/", "http://out.test/\0",
    "http://out.test%2f@127.0.0.1/", "http://out.test%00.127.0.0.1/", "http://[::1%25lo]/", "http://[out.test]/",
    "http://out test/", "http://out.test/" + "a" * 5000,
)  # fmt: skip

CONTROLS = (
    "http://out.test/a.png", "http://93.184.215.14/a.png", "http://[2606:4700::1111]/a.png", "http://out6.test/a.png",
    "http://both.test/a.png", "http://OUT.test./a.png", "http://out.test:80/a.png",
    "http://bücher.test/a.png", "http://alias-outside.test/a.png", "http://out.test/hops/5",
    "http://out.test/lied-type", "http://out.test/cookie", "http://out.test?a.png", "http://8.8.8.8/a.png",
)  # fmt: skip


def table(port: int, behaviours: list[str]) -> list[tuple[str, str]]:
    """Returns pairs of row and URL. *port* is the server's own."""
    found = [
        ("S1", f"{scheme}://{host}{end}")
        for host in LOOPBACK
        for scheme, end in (("http", "/"), ("http", ":81/"), ("https", "/a.png"))
    ]
    found += [("S2", f"http://{f'[{a}]' if ':' in a else a}{end}") for a in INSIDE for end in ("/", ":443/")]
    found += [
        ("S2", f"http://{a}/")
        for a in (
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "[ff02::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:169.254.169.254]",
            "[::a9fe:a9fe]",
        )
    ]
    found += [("S3", f"http://inside-{n}.test/a.png") for n in range(NAMES)]
    found += [("S3", f"http://{name}.test/a.png") for name in (
        "mixed", "mixed-first", "mixed-six", "mixed-six-first", "mixed-meta", "mixed-many", "alias", "alias-of-alias",
        "alias-of-localhost", "zero", "mapped",
    )]  # fmt: skip
    found += [("S3 no name", f"http://{name}.test/a.png") for name in ("nx", "servfail", "empty", "loop")]
    found += [
        ("S3 rebinding", f"http://{name}.test/{n}.png")
        for name in ("rebind", "rebind-back", "rebind-late", "rebind-meta")
        for n in range(12)
    ]
    found += [("S4", f"{OUT}/to/{status}/{_quoted(target)}") for status in STATUSES for target in TARGETS]
    found += [
        ("S4 nowhere", f"{OUT}/{path}") for path in ("hops/6", "hops/30", "itself", "no-location", "empty-location")
    ]
    found += [
        ("S5", url)
        for url in (
            *OTHERS,
            f"http://127.0.0.1:{port}/api/1/upload",
            f"http://localhost:{port}/",
            f"http://img.test:{port}/",
        )
    ]
    fine = {"lied-type", "cookie", "itself", "no-location", "empty-location"}
    found += [("S6", f"{OUT}/{name}") for name in behaviours if name not in fine] + [("S6", "http://hang.test/a.png")]
    found += [("S7", url) for url in CONTROLS]
    return found + [
        ("S7", f"{OUT}/to/{status}/{_quoted(to)}")
        for status in STATUSES
        for to in ("http://other.test/b.png", "/b.png", "//other.test/b.png")
    ]


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())
