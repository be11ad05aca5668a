"""What is known of one request."""

from atoll.calls.upstreams import Upstream
from atoll.client_address import TrustedProxies
from atoll.gateway.routes import Route
from atoll.gateway.trace import trace_id_of
from atoll.http1.request_head import RequestHead
from atoll.identity.principal import Principal

_FORWARDED = b"x-forwarded-for: %b\r\nx-forwarded-proto: %b\r\nx-forwarded-host: %b\r\n"

CLIENT_GONE = 499
"""How a request is counted whose client went before its answer was whole (nginx's number; never sent)."""


class Visit:
    """One request's facts, filled in as they become known. Times are seconds of the loop's clock."""

    __slots__ = (
        "answer_bytes",
        "attempts",
        "client_address",
        "forwarded",
        "head",
        "limit_fields",
        "path",
        "principal",
        "request_id",
        "route",
        "started",
        "status",
        "template",
        "traceparent",
        "upstream",
    )

    def __init__(self, head: RequestHead, client_address: str, started: float, request_id: bytes) -> None:
        self.head = head
        self.client_address = client_address
        self.forwarded = _FORWARDED % (client_address.encode("ascii"), b"http", head.host)
        """Lines that tell upstream where the request came from."""
        self.started = started
        self.request_id = request_id
        self.path = head.target.partition(b"?")[0]
        self.template = ""
        """Of the rule that holds for the path, for metrics: never the path itself."""
        self.traceparent = b""
        self.limit_fields = b""
        """Lines that tell the client how much it may still ask for."""
        self.route: Route | None = None
        self.principal: Principal | None = None
        self.upstream: Upstream | None = None
        self.attempts = 0
        self.status = CLIENT_GONE
        self.answer_bytes = 0

    def __repr__(self) -> str:
        return f"<Visit {self.request_id!r} {self.head!r} from {self.client_address}: {self.status}>"

    @property
    def trace_id(self) -> str:
        return trace_id_of(self.traceparent)

    @property
    def shown_path(self) -> str:
        """The path as text."""
        return self.path.decode("latin-1")

    def believe(self, proxies: TrustedProxies) -> None:
        """Take the client's address, scheme and host from a proxy of ours, if the peer is one."""
        fields = self.head.fields
        chain = fields.get(b"x-forwarded-for", b"")
        address = proxies.client(self.client_address, chain.decode("latin-1"))
        if address != self.client_address:
            scheme = fields.get(b"x-forwarded-proto", b"http")
            host = fields.get(b"x-forwarded-host", self.head.host)
            self.forwarded = _FORWARDED % (address.encode("ascii"), scheme, host)
            self.client_address = address
