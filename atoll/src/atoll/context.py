"""What is known of the request that the running task works for, wherever in the code that is."""

from contextvars import ContextVar
from dataclasses import dataclass

from atoll.identity.principal import Principal
from atoll.observability.tracing import TraceContext


@dataclass(slots=True)
class RequestContext:
    """One request in hand: its place in the trace, its id in our logs, its deadline, and who calls.

    `deadline` is a moment of `Clock.monotonic()` in seconds, None when the caller set none; `principal` is
    None until, and unless, a credential has been verified. With `caller_retries` the caller will repeat the
    request if need be, and our own calls for it are not repeated (see `atoll.calls.retry`).
    """

    trace: TraceContext
    request_id: str
    deadline: float | None = None
    principal: Principal | None = None
    caller_retries: bool = False


current: ContextVar[RequestContext | None] = ContextVar("atoll_request", default=None)
"""The request in hand; None outside of one, as in background jobs. A task inherits its starter's."""
