"""What observers are told of a call: one frozen record for each attempt."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from atoll.calls.errors import CallError, UpstreamProblem


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try of a call, when it has ended.

    `number` counts from 1; `instance` is the id of who was asked. `status` is that of the answer, 0 when none
    came. `error` is what the attempt came to, None for an answer of 2xx. `seconds` is the time from the
    choice of the instance to the answer's end (its head, for a stream). `traceparent` is the place in the trace
    that was handed on (`TraceContext.parse` reads it); empty when nothing was sent. No token or body is ever
    part of it.
    """

    service: str
    instance: str
    method: str
    target: str
    number: int
    status: int
    seconds: float
    error: CallError | None
    traceparent: str

    @property
    def outcome(self) -> str:
        """`ok`, the status of another answer, or the name of the error."""
        if self.error is None:
            return "ok"
        return str(self.status) if isinstance(self.error, UpstreamProblem) else type(self.error).__name__


Observer: TypeAlias = Callable[[Attempt], None]
"""Told of each attempt when it has ended; must be quick and must not raise."""
