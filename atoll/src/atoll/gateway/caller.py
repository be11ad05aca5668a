"""Who asks, as far as a request's fields tell: worked out once for all requests of a connection that bring the same."""

from atoll.client_address import TrustedProxies, network_of
from atoll.gateway.rewriting import request_fields
from atoll.http1.request_head import RequestHead
from atoll.identity.verified_tokens import VerifiedToken

_FORWARDED = b"x-forwarded-for: %b\r\nx-forwarded-proto: %b\r\nx-forwarded-host: %b\r\n"
_BEARER = b"bearer "


class Caller:
    """What the fields of a head say of whoever sent it; kept with them (`RequestFields.known`).

    `verified` is the token once it has been found good, until `good_until`; then it is looked at again.
    """

    __slots__ = (
        "address", "good_until", "lines", "network", "origin", "repeats", "shown_address", "token", "traceparent",
        "verified",
    )  # fmt: skip

    def __init__(self, head: RequestHead, peer: str, proxies: TrustedProxies) -> None:
        fields = head.fields
        self.address, scheme, host = _origin(head, peer, proxies)
        """The client's address: the peer's, or whom a proxy of ours vouches for."""
        self.shown_address = self.address.encode("ascii")
        """The same for heads and logs."""
        self.network = network_of(self.address)
        """As what the address is counted."""
        self.lines = request_fields(fields) + _FORWARDED % (self.shown_address, scheme, host)
        """Of the client's fields those that may pass, and those that tell upstream where the request came from."""
        self.token = _bearer_token(fields.get(b"authorization"))
        self.traceparent = fields.get(b"traceparent")
        self.origin = fields.get(b"origin")
        self.repeats = b"idempotency-key" in fields
        """Whether a request has one effect, however often it is sent."""
        self.verified: VerifiedToken | None = None
        self.good_until = 0.0
        """A monotonic moment."""

    def __repr__(self) -> str:
        return f"<Caller {self.address}>"  # never the token


def _origin(head: RequestHead, peer: str, proxies: TrustedProxies) -> tuple[str, bytes, bytes]:
    """Address, scheme and host: what a proxy of ours says, if the peer is one; else what is seen here."""
    if proxies:
        fields = head.fields
        address = proxies.client(peer, fields.get(b"x-forwarded-for", b"").decode("latin-1"))
        if address != peer:
            return address, fields.get(b"x-forwarded-proto", b"http"), fields.get(b"x-forwarded-host", head.host)
    return peer, b"http", head.host


def _bearer_token(authorization: bytes | None) -> str:
    """The token of `Bearer <token>` (RFC 6750, section 2.1); empty for anything else."""
    if authorization is None or authorization[: len(_BEARER)].lower() != _BEARER:
        return ""
    return authorization[len(_BEARER) :].strip().decode("latin-1")
