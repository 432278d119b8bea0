"""Which addresses a fetch may connect to.

``ipaddress.is_global`` alone lets through multicast, the metadata address of Azure and every
form of IPv6 that carries an IPv4 address, so the ranges are written out (IANA special-purpose
registries) and IPv6 is closed except for global unicast.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_BLOCKED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches the local host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, and 100.100.100.200 (metadata)
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the platform address of Azure
        "169.254.0.0/16",  # link-local, and 169.254.169.254 (metadata)
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, and 192.0.0.192 (metadata)
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
    )
)

# Outside lie loopback, unspecified, IPv4-compatible, local NAT64 (64:ff9b:1::/48), unique local
# (fc00::/7, and with it the metadata address fd00:ec2::254), link-local, site-local, multicast.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_BLOCKED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, and with them Teredo and benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


def parse_address(text: str) -> IPAddress:
    """Read an address as the system gives it, with or without a zone; raises ValueError."""
    return ip_address(text.partition("%")[0])


def reached_address(address: IPAddress) -> IPAddress:
    """The address that packets end up at: what an IPv4-mapped or NAT64 address stands for.

    DNS64 answers every name without IPv6 by 64:ff9b::/96, so that form is judged by its content.
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: IPAddress) -> bool:
    """Whether the address belongs to the public internet and to nothing of ours."""
    address = reached_address(address)
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _BLOCKED_V4)
    return (
        address in _GLOBAL_UNICAST
        and address.is_global
        and not any(address in network for network in _BLOCKED_V6)
        and not _is_isatap(address)
    )


def is_listed(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    """Whether one of the networks holds the address."""
    address = reached_address(address)
    return any(address.version == network.version and address in network for network in networks)


def _is_isatap(address: IPv6Address) -> bool:
    # The interface identifier is 0000:5efe or 0200:5efe and an IPv4 address (RFC 5214).
    return (int(address) >> 32) & 0xFDFFFFFF == 0x00005EFE
