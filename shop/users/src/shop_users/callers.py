"""From where a request comes: the address that the gateway vouches for, or the peer's own.

The gateway sets `X-Forwarded-For` anew with each request, and drops what clients send of it. A service can tell the
gateway's connections from others by their address alone: so nothing else in `gateway_networks` may reach this service
that is not to be trusted with saying whose request it brings. By default they are this machine.
"""

from atoll.client_address import TrustedProxies, is_address, network_of
from atoll.endpoints import Request
from atoll.observability.logging import get_logger

log = get_logger()


class Callers:
    """Finds out from where requests come."""

    def __init__(self, gateways: TrustedProxies) -> None:
        self._gateways = gateways
        self._has_warned = False

    def place(self, request: Request) -> str:
        """The address that counts for limits (`network_of`)."""
        peer = request.client[0] if request.client else ""
        forwarded_for = request.header("x-forwarded-for")
        if forwarded_for is None or not is_address(peer):
            return network_of(peer)
        address = self._gateways.client(peer, forwarded_for)
        if address == peer != forwarded_for:
            self._warn(peer)
        return network_of(address)

    def _warn(self, peer: str) -> None:
        """Once: whoever runs the system may have forgotten to say where its gateway is."""
        if not self._has_warned:
            self._has_warned = True
            log.warning("X-Forwarded-For is not believed, because it comes from outside of gateway_networks", peer=peer)
