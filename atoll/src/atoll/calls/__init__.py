"""Calling another service: `ServiceClient`, its errors, and what bounds a call."""

from atoll.calls.answer import Headers, Response
from atoll.calls.attempt import Attempt, Observer
from atoll.calls.client import ServiceClient, StreamedResponse
from atoll.calls.errors import (
    CallError,
    CallTimeout,
    ConnectFailed,
    ConnectionLost,
    InvalidAnswer,
    NoInstances,
    NotPermitted,
    TooManyCalls,
    UpstreamProblem,
    WrongService,
)
from atoll.calls.gathering import Gathering
from atoll.calls.load_balancer import LoadBalancer, PowerOfTwoChoices
from atoll.calls.policy import CallPolicy
from atoll.calls.request import path
from atoll.calls.timeouts import Timeouts
from atoll.resilience.retry_policy import RetryPolicy

__all__ = [
    "Attempt",
    "CallError",
    "CallPolicy",
    "CallTimeout",
    "ConnectFailed",
    "ConnectionLost",
    "Gathering",
    "Headers",
    "InvalidAnswer",
    "LoadBalancer",
    "NoInstances",
    "NotPermitted",
    "Observer",
    "PowerOfTwoChoices",
    "Response",
    "RetryPolicy",
    "ServiceClient",
    "StreamedResponse",
    "Timeouts",
    "TooManyCalls",
    "UpstreamProblem",
    "WrongService",
    "path",
]
