"""Which URLs are accepted, and what becomes of them."""

import pytest
from yarl import URL

from imges.receiving.urls import LONGEST, file_name, parse, redirected
from tests.receiving.refusals import refused


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "/a.png", "//127.0.0.1/a.png", "127.0.0.1/a.png", "http:", "http:/", "http://", "http:///a.png",
        "http:127.0.0.1", "http:/127.0.0.1", "http:\\\\127.0.0.1", "ftp://127.0.0.1/a", "file:///etc/passwd",
        "file://127.0.0.1/etc/passwd", "php://filter", "gopher://127.0.0.1", "dict://127.0.0.1", "ws://127.0.0.1",
        "unix:///run/x", "httpſ://127.0.0.1/", "jar:http://127.0.0.1!/", "view-source:http://127.0.0.1/", "data:,x",
        "http://127.0.0.1:/\x00", "http://127.0.0.1/a\r\nX: y", "http://127.0.0.1/a\tb", "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/", "http://127.0.0.1:-1/", "http://127.0.0.1:80:80/", "http://127.0.0.1:８０/",
        "http://127.0.0.1:0x50/", "http://a..b/", "http://.a/", "http://-a/", "http://" + "a" * 64 + ".com/",
        "http://" + "a." * 2000 + "com/", "http://" + "a." * 126 + "com/", "http://a b/", "http://a,b/", "http://a*b/",
        "http://\udc80.example/", "http://127.0.0.1/\ud800",
    ],
)  # fmt: skip
def test_a_url_that_parsers_could_read_differently_is_refused(url: str):
    with refused():
        parse(url)


@pytest.mark.parametrize(("length", "accepted"), [(LONGEST - 1, True), (LONGEST, True), (LONGEST + 1, False)])
def test_a_url_has_at_most_4096_characters(length: int, *, accepted: bool):
    assert LONGEST == 4096
    url = "http://a.example/".ljust(length, "a")
    if accepted:
        assert str(parse(url)) == url
    else:
        with refused():
            parse(url)


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("http://a.example", "http://a.example/"),
        ("HTTPS://A.Example:443/", "https://a.example:443/"),
        ("http://a.example:00081/x", "http://a.example:81/x"),
        ("http://a.example:65535/", "http://a.example:65535/"),
        ("http://a.example:1/", "http://a.example:1/"),
        ("http://a.example./", "http://a.example./"),
        ("http://a.example?x=1", "http://a.example/?x=1"),
        ("http://a.example/é b#part", "http://a.example/%C3%A9%20b"),
        ("http://a.example/\udcff", "http://a.example/%FF"),
        ("http://_a-b.example/", "http://_a-b.example/"),
        ("http://Bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://93.184.215.14/", "http://93.184.215.14/"),
        ("http://[2606:4700:0::1111]:81/", "http://[2606:4700::1111]:81/"),
        ("http://" + "a" * 63 + ".example/", "http://" + "a" * 63 + ".example/"),
        ("http://" + "a." * 125 + "com/", "http://" + "a." * 125 + "com/"),
    ],
)
def test_a_url_is_parsed_to_what_is_requested(url: str, parsed: str):
    found = parse(url)
    assert (found.scheme, found.host, found.explicit_port or found.port, found.raw_path_qs) == (
        (wanted := URL(parsed, encoded=True)).scheme,
        wanted.host,
        wanted.explicit_port or wanted.port,
        wanted.raw_path_qs,
    )


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "017700000001", "a.1", "a.0x7f", "a.1.", "1.2.3.4.", "1.2.3.256"]
)
def test_a_host_that_ends_in_a_number_is_four_decimal_numbers_or_refused(host: str):
    with refused():
        parse(f"http://{host}/")


@pytest.mark.parametrize(("port", "scheme"), [(80, "http"), (443, "https")])
def test_the_default_port_is_left_out_of_the_host_header(port: int, scheme: str):
    for url in (f"{scheme}://a.example/", f"{scheme}://a.example:{port}/"):
        assert parse(url).host_port_subcomponent == "a.example"


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b.png", "http://a.example/b.png"),
        ("b.png", "http://a.example/x/b.png"),
        ("?y", "http://a.example/x/a.png?y"),
        ("//b.example/", "http://b.example/"),
        ("https://b.example:444/c", "https://b.example:444/c"),
    ],
)
def test_a_redirect_leads_where_its_location_says(location: str, url: str):
    assert str(redirected("http://a.example/x/a.png", location)) == url


@pytest.mark.parametrize("location", ["http:b.png", "http:/b.png", "file:///etc/passwd", "javascript:alert(1)", "//["])
def test_a_redirect_is_parsed_as_strictly_as_the_url(location: str):
    with refused():
        redirected("http://a.example/", location)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://a.example", ""),
        ("http://a.example/", ""),
        ("http://a.example/a/", ""),
        ("http://a.example/a/my%20caf%C3%A9.png", "my café.png"),
        ("http://a.example/b.png?x=/c.png", "b.png"),
        ("http://a.example/b.png#/c.png", "b.png"),
        ("http://a.example?x=/c.png", ""),
        ("http://a.example/a%2Fb.png", "a/b.png"),
    ],
)
def test_the_name_is_the_last_segment_of_the_path(url: str, name: str):
    assert file_name(url) == name
