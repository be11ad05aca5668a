"""When a failed call is tried again. One rule, at one layer: nothing below `ServiceClient` repeats anything."""

import random
from dataclasses import dataclass

from atoll.calls.errors import CallError, CallTimeout, ConnectFailed, ConnectionLost, UpstreamProblem

REPEATABLE_METHODS = frozenset(("GET", "HEAD", "PUT", "DELETE", "OPTIONS"))
"""Idempotent by their definition (RFC 9110, section 9.2.2): done twice is done once."""

_COME_BACK_LATER = frozenset((429, 503))
_MAX_DOUBLINGS = 60


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `max_attempts`, the first included, with a random pause between two of them.

    Before attempt n + 1 the pause is between 0 and `initial_backoff` times 2 to the power of n - 1 seconds,
    never more than `max_backoff`: "full jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015), so
    that those who failed together do not come back together. A `Retry-After` that is longer is obeyed.
    """

    max_attempts: int = 3
    initial_backoff: float = 0.05
    max_backoff: float = 2.0

    def pause_after(
        self, error: CallError, *, attempts: int, repeatable: bool, remaining: float, chance: random.Random
    ) -> float | None:
        """Seconds to wait before the next attempt; None when there must be none.

        `repeatable` says that the request may be acted on twice. With what is `remaining` of the call's time,
        in seconds, an attempt must still be possible after the pause.
        """
        if attempts >= self.max_attempts or not _worth_another(error, repeatable=repeatable):
            return None
        pause = chance.uniform(
            0.0, min(self.max_backoff, self.initial_backoff * 2.0 ** min(attempts - 1, _MAX_DOUBLINGS))
        )
        if isinstance(error, UpstreamProblem):
            pause = max(pause, error.retry_after or 0.0)
        return pause if pause < remaining else None


DEFAULT_RETRY = RetryPolicy()


def _worth_another(error: CallError, *, repeatable: bool) -> bool:
    """Whether another attempt may help, and can do no harm."""
    match error:
        case ConnectFailed():
            return True
        case CallTimeout() | ConnectionLost():
            return repeatable or error.nothing_was_sent
        case UpstreamProblem():
            return repeatable and error.status in _COME_BACK_LATER
        case _:
            return False
