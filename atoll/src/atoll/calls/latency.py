"""How quickly an instance has answered lately."""

import math

DECAY_SECONDS = 5.0
"""After so long without a word a measurement counts for little more than a third (Finagle's peak EWMA has 10 s).

An instance that is avoided because it was slow is so asked again before long.
"""

_LEAST_WEIGHT = 1 / 32

_FREQUENT = -DECAY_SECONDS * math.log(1.0 - _LEAST_WEIGHT)
"""Seconds; of answers that come more often than that each has the least weight."""


class Latency:
    """A moving average of seconds: over the last 5 s, or over the last 32 calls, whichever is shorter.

    An average, and not Finagle's peak: with one measurement that stands out, a pause of the garbage collector
    would keep an instance without work for a minute; those that hang show in what they have in flight.
    """

    __slots__ = ("_at", "_seconds")

    def __init__(self) -> None:
        self._seconds = 0.0
        self._at = -math.inf

    def observe(self, seconds: float, now: float) -> None:
        """An answer took so long; `now` is when it ended, in monotonic seconds."""
        since = now - self._at
        weight = _LEAST_WEIGHT if since < _FREQUENT else 1.0 - math.exp(-since / DECAY_SECONDS)
        self._seconds += (seconds - self._seconds) * weight
        self._at = now

    def at(self, now: float) -> float:
        """What to expect now: the average, less the longer ago the last answer is; 0 before the first one."""
        return self._seconds * math.exp((self._at - now) / DECAY_SECONDS)

    def __repr__(self) -> str:
        return f"<Latency {self._seconds * 1000:.1f} ms>"
