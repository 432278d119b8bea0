from __future__ import annotations

import pytest

from app.web.address import caller_of


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff::2", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("[2001:db8::1]:4711", "2001:db8::/64"),
        ('"[2001:db8::1]:4711"', "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("", "local"),
        (None, "local"),
        ("unknown", "unknown"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_addresses_of_one_caller_have_one_name(address: str | None, caller: str) -> None:
    assert caller_of(address) == caller
