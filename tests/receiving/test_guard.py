"""To which IP addresses and ports a fetch may connect."""

from ipaddress import ip_address, ip_network

import pytest
from AntiSSRF.ipaddress_ranges import IPAddressRanges  # pyright: ignore[reportMissingTypeStubs]  (it has none)

from imges.receiving.guard import DENIED, Guard
from tests.receiving.refusals import refused

LOCALHOST = ip_network("127.0.0.1/32")


@pytest.mark.parametrize(
    ("address", "port"),
    [("1.1.1.1", 80), ("8.8.8.8", 443), ("93.184.215.14", 80), ("2606:4700::1111", 443), ("2a00:1450:4001::1", 80)],
)
def test_public_addresses_pass_the_guard(address: str, port: int) -> None:
    Guard((), (80, 443)).check(address, port)


@pytest.mark.parametrize("network", IPAddressRanges.recommended_latest)
def test_every_network_of_the_oracle_is_denied(network: str) -> None:
    theirs = ip_network(network)
    assert any(theirs.version == ours.version and theirs.subnet_of(ours) for ours in DENIED)  # pyright: ignore[reportArgumentType]  (versions agree)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
        "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1",
        "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1",
        "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1", "100::1",
        "2001::1", "2001:0:7f00:1::", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "3ffe::1",
        "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_denied(address: str) -> None:
    with refused():
        Guard((LOCALHOST,) if address != "127.0.0.1" else (), (80, 443)).check(address, 80)


@pytest.mark.parametrize("port", [1, 22, 25, 81, 6379, 8080, 65535])
def test_other_ports_of_public_addresses_are_denied(port: int) -> None:
    with refused():
        Guard((LOCALHOST,), (80, 443)).check("8.8.8.8", port)


def test_the_table_has_no_public_address_and_no_entry_twice() -> None:
    assert not any(ip_address("8.8.8.8") in network for network in DENIED)
    assert len(set(DENIED)) == len(DENIED)
