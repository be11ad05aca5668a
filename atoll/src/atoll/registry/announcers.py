"""From where an instance may be announced, so that the registry calls, and hands out, no address it was talked into."""

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from atoll.discovery.resolving import CannotResolve, Resolve, resolve
from atoll.problems import Forbidden

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class ForeignAddress(Forbidden):
    """An instance was announced at an address that is neither the caller's own nor in a network of the system.

    What to do: announce the address that the instance speaks from (`ADVERTISE_HOST`), or tell the registry in which
    networks instances live (`REGISTRY_NETWORKS`).
    """


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """`10.0.0.0/8` and its like; ValueError says which is none."""
    return tuple(_network(text) for text in texts)


class Announcers:
    """Who may announce what: a caller its own address, and anyone what is in `allowed`.

    All of this machine's own addresses (127.0.0.0/8 and ::1) are one. A name must stand for nothing but such
    addresses when it is announced.
    """

    def __init__(self, allowed: Iterable[str] = (), *, resolve: Resolve = resolve) -> None:
        self._allowed = networks(allowed)
        self._resolve = resolve

    async def check(self, host: str, caller: str) -> None:
        """Raise `ForeignAddress` unless who speaks from the address `caller` may announce an instance at `host`."""
        own = _address(caller)
        for address in await self._addresses(host):
            if not self._may_announce(own, address):
                raise ForeignAddress(
                    f"You speak from {own or 'an unknown address'} and announce {address}"
                    f"{f', for {host}' if str(address) != host else ''}. Announce the address that you speak from "
                    "(ADVERTISE_HOST), or have the registry told its network (REGISTRY_NETWORKS)."
                )

    def _may_announce(self, own: Address | None, address: Address) -> bool:
        if own is not None and (address == own or (address.is_loopback and own.is_loopback)):
            return True
        return any(address in network for network in self._allowed)

    async def _addresses(self, host: str) -> list[Address]:
        literal = _address(host)
        if literal is not None:
            return [literal]
        try:
            found = await self._resolve(host)
        except CannotResolve as error:
            raise ForeignAddress(f"You announce {host}, which the registry cannot resolve: {error}.") from error
        return [address for text in found if (address := _address(text)) is not None]

    def __repr__(self) -> str:
        return f"Announcers({', '.join(map(str, self._allowed)) or 'own addresses only'})"


def _address(text: str) -> Address | None:
    """The address that a text is, an IPv4 one where it is written as IPv6; None for a name."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no network; write 10.0.0.0/8, say ({error})") from None
