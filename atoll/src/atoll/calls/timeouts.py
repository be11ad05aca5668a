"""How long a call may take, and how what is left of it is handed from hop to hop."""

import math
from dataclasses import dataclass

HEADER = "Atoll-Remaining-Ms"
"""The request header that hands the deadline on: whole milliseconds that are left when the request is sent.

What is left, and not a moment, because the clocks of two machines differ by more than a call takes; gRPC's
`grpc-timeout` does the same. The time on the wire is lost to it, which errs to the caller's side by far less
than the answer's way back.
"""

_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect`: to open a connection. `attempt`: for one try, connecting and waiting for a turn included.

    `total`: for the whole call with all its attempts and the pauses between them; never more than what is
    left to our own caller. `math.inf` lifts a bound: a stream of events has no `total`.
    """

    connect: float = 1.0
    attempt: float = 2.0
    total: float = 10.0


DEFAULT_TIMEOUTS = Timeouts()


def line(remaining: float) -> str:
    """The header's line for that many seconds: whole milliseconds, rounded down, at least one; none for ever."""
    if remaining == math.inf:
        return ""
    millis = int(remaining * 1000)
    return f"{HEADER}: {millis if millis > 0 else 1}\r\n"


def read(value: bytes | None) -> float | None:
    """The seconds that a caller has left by its header's value; None when it sent none, or nonsense."""
    if value is None or not value.isdigit() or len(value) > _MAX_DIGITS:
        return None
    return int(value) / 1000
