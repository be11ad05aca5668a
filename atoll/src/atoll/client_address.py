"""Whose request this is: the peer's, or, when the peer is a proxy of ours, whom that vouches for."""

import ipaddress
from collections.abc import Iterable

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
            if not _is_address(candidate):
                break
            address = candidate
        return address

    def _trusts(self, address: str) -> bool:
        return any(_parsed(address) in network for network in self._networks)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(address)
    return (isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped) or parsed


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
