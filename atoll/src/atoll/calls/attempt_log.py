"""Attempts that failed, in the log."""

from atoll.calls.attempt import Attempt
from atoll.observability.logging import get_logger

log = get_logger()


def log_failure(attempt: Attempt) -> None:
    """An observer: a line at level debug for an attempt without a good answer.

    Not louder: what a call came to is logged where it matters, and a service that is down fails a thousand
    times a second. That it is left out, and comes back, is told once, as a warning.
    """
    if attempt.error is not None:
        log.debug(
            "attempt failed",
            service=attempt.service,
            instance=attempt.instance,
            request=f"{attempt.method} {attempt.target}",
            attempt=attempt.number,
            outcome=attempt.outcome,
            seconds=round(attempt.seconds, 4),
            reason=attempt.error.message,
            traceparent=attempt.traceparent,
        )
