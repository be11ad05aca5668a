"""Why a call was not made, or not waited for any longer.

CallRefused                  the function was not called at all; `retry_after` says when to come back, if known
├── CallNotPermittedError    its circuit breaker lets nothing through now
└── BulkheadFullError        as many calls as may be are under way already

DeadlineExceededError        time was up; a TimeoutError
"""


class CallRefused(Exception):
    """The protected function was not called. `name` is the part's that refused; `retry_after` is in seconds."""

    def __init__(self, message: str, *, name: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.retry_after = retry_after


class CallNotPermittedError(CallRefused):
    """The circuit breaker is open, or half-open with all its probes under way."""


class BulkheadFullError(CallRefused):
    """No place got free in the time that a call may wait for one."""


class DeadlineExceededError(TimeoutError):
    """The deadline passed before the work was done."""
