"""Calling another service: `ServiceClient`, its errors, and what bounds a call."""

from atoll.calls.answer import Headers, Response
from atoll.calls.client import ServiceClient, StreamedResponse
from atoll.calls.errors import (
    CallError,
    CallTimeout,
    ConnectFailed,
    ConnectionLost,
    InvalidAnswer,
    NoInstances,
    UpstreamProblem,
)
from atoll.calls.load_balancer import LoadBalancer, PowerOfTwoChoices
from atoll.calls.request import path
from atoll.calls.retry import RetryPolicy
from atoll.calls.timeouts import Timeouts

__all__ = [
    "CallError",
    "CallTimeout",
    "ConnectFailed",
    "ConnectionLost",
    "Headers",
    "InvalidAnswer",
    "LoadBalancer",
    "NoInstances",
    "PowerOfTwoChoices",
    "Response",
    "RetryPolicy",
    "ServiceClient",
    "StreamedResponse",
    "Timeouts",
    "UpstreamProblem",
    "path",
]
