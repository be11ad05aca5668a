"""Whose request this is: the peer's, or, when the peer is a proxy of ours, whom that vouches for."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """Proxies in front of us whose `X-Forwarded-For` is believed. ValueError for what is no network."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(each) for each in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The nearest address that no trusted proxy has; the peer's own when that is not one of them.

        `forwarded_for` lists addresses as proxies add them: each vouches only for the one before it.
        """
        address = peer
        for named in reversed(forwarded_for.split(",")):
            if not self._trusts(address):
                break
            candidate = named.strip()
            if not is_address(candidate):
                break
            address = candidate
        return address

    def _trusts(self, address: str) -> bool:
        return any(_parsed(address) in network for network in self._networks)


def network_of(address: str) -> str:
    """Whom to count for an address: an IPv4 address itself, the /64 of an IPv6 one; what is none stays as it is.

    A /64 is the least that one customer is given (RFC 6177), with 2 to the power of 64 addresses to choose from.
    """
    return address if ":" not in address else _ipv6_network(address)


@lru_cache(maxsize=10_000)
def _ipv6_network(address: str) -> str:
    try:
        parsed = _parsed(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(address)
    return (isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped) or parsed


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
