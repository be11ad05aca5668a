"""When a failed call is tried again, and by whom.

One rule, at one layer. Nothing below `ServiceClient` repeats anything; and of the services that a request goes
through only the first that may repeat its call does: it says so with a header (`HEADER`), and those behind it
hand that on and repeat nothing that has been sent. With three services in a row and three attempts each, a
failing last one would otherwise be asked 27 times. (AWS, "Timeouts, retries, and backoff with jitter": retry
at a single point in the stack; SRE book, "Addressing Cascading Failures".)

The first and not the last, because then one budget bounds what arrives at every hop; what it costs is that
the work in between is done again. A connection that could not be made is not a repetition: nothing arrived,
and another instance is tried at every layer.
"""

import random

from atoll.calls.errors import CallError, CallTimeout, ConnectFailed, ConnectionLost, UpstreamProblem, WrongService
from atoll.resilience.retry_policy import DEFAULT_RETRY, RetryPolicy

__all__ = ["DEFAULT_RETRY", "HEADER", "REPEATABLE_METHODS", "RetryPolicy", "pause_after"]

HEADER = "Atoll-Caller-Retries"
"""The request header, with the value `yes`, by which a caller says that it will repeat the request if need be."""

REPEATABLE_METHODS = frozenset(("GET", "HEAD", "PUT", "DELETE", "OPTIONS"))
"""Idempotent by their definition (RFC 9110, section 9.2.2): done twice is done once."""

_COME_BACK_LATER = frozenset((429, 503))


def pause_after(
    error: CallError,
    policy: RetryPolicy,
    *,
    attempts: int,
    repeatable: bool,
    remaining: float,
    chance: random.Random,
) -> float | None:
    """Seconds to wait before the next attempt; None when there must be none.

    `repeatable` says that the request may be sent twice, and that it is for us to do so. A `Retry-After`
    longer than the policy's pause is obeyed. With what is `remaining` of the call's time, in seconds, an
    attempt must still be possible after the pause.
    """
    if attempts >= policy.max_attempts or not _worth_another(error, repeatable=repeatable):
        return None
    pause = policy.pause(attempts, chance)
    if isinstance(error, UpstreamProblem):
        pause = max(pause, error.retry_after or 0.0)
    return pause if pause < remaining else None


def _worth_another(error: CallError, *, repeatable: bool) -> bool:
    """Whether another attempt may help, and can do no harm."""
    match error:
        case ConnectFailed():
            return True
        case CallTimeout() | ConnectionLost() | WrongService():
            return repeatable or error.nothing_was_sent
        case UpstreamProblem():
            return repeatable and error.status in _COME_BACK_LATER
        case _:
            return False
