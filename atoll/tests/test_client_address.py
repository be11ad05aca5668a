"""Whom an address stands for."""

import pytest

from atoll.client_address import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("2001:DB8:0:1:ffff::", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("a:name", "a:name"),
        ("", ""),
    ],
)
def test_an_address_counts_with_what_its_owner_can_choose_from(address: str, network: str) -> None:
    assert network == network_of(address)
