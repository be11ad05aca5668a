"""What is known of one request."""

from atoll.calls.upstreams import Upstream
from atoll.gateway.caller import Caller
from atoll.gateway.trace import trace_id_of
from atoll.http1.request_head import RequestHead
from atoll.identity.principal import Principal

CLIENT_GONE = 499
"""How a request is counted whose client went before its answer was whole (nginx's number; never sent)."""


class Visit:
    """One request's facts, filled in as they become known. Times are in monotonic seconds."""

    __slots__ = (
        "answer_bytes",
        "attempts",
        "caller",
        "cors_fields",
        "ended",
        "head",
        "limit_fields",
        "path",
        "path_is_plain",
        "principal",
        "request_id",
        "started",
        "status",
        "template",
        "traceparent",
        "upstream",
    )

    def __init__(
        self, head: RequestHead, caller: Caller, started: float, request_id: bytes, traceparent: bytes
    ) -> None:
        self.head = head
        self.caller = caller
        self.started = self.ended = started
        self.request_id = request_id
        self.traceparent = traceparent
        self.path = head.target
        """What was asked for, without its query."""
        self.path_is_plain = False
        """Whether the path is known to be in its canonical form."""
        self.template = ""
        """Of the rule that holds for the path, for metrics: never the path itself."""
        self.limit_fields = b""
        """Lines that tell the client how much it may still ask for."""
        self.cors_fields = b""
        """Lines that tell a browser which pages may read the answer."""
        self.principal: Principal | None = None
        self.upstream: Upstream | None = None
        self.attempts = 0
        self.status = CLIENT_GONE
        self.answer_bytes = 0

    def __repr__(self) -> str:
        return f"<Visit {self.request_id!r} {self.head!r} from {self.caller.address}: {self.status}>"

    @property
    def trace_id(self) -> str:
        return trace_id_of(self.traceparent)

    @property
    def shown_path(self) -> str:
        """The path as text."""
        return self.path.partition(b"?")[0].decode("latin-1")
