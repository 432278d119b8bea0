from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clips.fetch.addresses import is_listed, is_public, parse_address, reached_address

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "168.63.129.17",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert is_public(parse_address(text))


@pytest.mark.parametrize(
    "text",
    [
        # What ipaddress calls global although it is not, or carries something that is not.
        "::10.0.0.1",
        "::127.0.0.1",
        "::8.8.8.8",
        "2002:c0a8:101::",
        "2002:808:808::",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "64:ff9b:1:808:8:800::",
        "fec0::1",
        "192.0.0.192",
        "168.63.129.16",
        "224.0.0.1",
        "ff0e::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:1ff:ffff::",
        "2606:4700::5efe:8.8.8.8",
        "2606:4700::200:5efe:10.0.0.1",
        "fe80::1%eth0",
    ],
)
def test_not_public(text: str) -> None:
    assert not is_public(parse_address(text))


private = st.sampled_from(
    [ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16")]
).flatmap(lambda network: st.ip_addresses(network=network))


@given(private, st.integers(0, 2**32 - 1))
def test_no_embedding_hides_a_private_address(inner: ipaddress.IPv4Address, prefix: int) -> None:
    low = int(inner)
    for value in (
        low,
        0xFFFF << 32 | low,
        0x0064FF9B << 96 | low,
        0x0064FF9B0001 << 80 | low,
        0x2002 << 112 | low << 80 | prefix,
        0x20010000 << 96 | prefix << 64 | (low ^ 0xFFFFFFFF),
        0x2606 << 112 | prefix << 64 | 0x00005EFE << 32 | low,
        0x2606 << 112 | prefix << 64 | 0x02005EFE << 32 | low,
    ):
        assert not is_public(ipaddress.IPv6Address(value))


@given(st.ip_addresses())
def test_public_is_never_more_than_the_registries_say(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    reached = reached_address(address)
    if is_public(address):
        assert reached.is_global
        assert not reached.is_multicast
        assert not reached.is_reserved
        assert not reached.is_unspecified


def test_listed_networks_hold_embedded_addresses() -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    for text in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00::1"):
        assert is_listed(parse_address(text), networks)
    for text in ("11.1.2.3", "::10.1.2.3", "2002:a01:203::", "fe80::1"):
        assert not is_listed(parse_address(text), networks)
    assert not is_listed(parse_address("10.1.2.3"), ())
