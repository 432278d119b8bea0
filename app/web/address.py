"""Whom an address stands for, where requests are counted."""

from __future__ import annotations

import ipaddress
import re

# What providers give a single customer; every address in it is theirs for the asking.
_IPV6_PREFIX = 64
_WITH_PORT = re.compile(r"\[([^]]*)\](?::\d+)?|([^:]*):\d+")
_LONGEST = 64


def caller_of(address: str | None) -> str:
    """One name for all addresses that one caller can choose from.

    An IPv6 address counts as its /64, one that stands for an IPv4 address as that; a port, which
    some proxies append, is cut off.

    Args:
        address: as the socket or a proxy tells it; None or empty for a local socket.
    """
    text = (address or "").strip().strip('"')
    found = _WITH_PORT.fullmatch(text)
    if found is not None:
        text = found.group(1) if found.group(1) is not None else found.group(2)
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text[:_LONGEST] or "local"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
