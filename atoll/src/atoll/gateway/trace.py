"""The trace of each request: the client's, if it brings one, else a new one; and who decides what is recorded."""

import random

from atoll.observability.tracing import TraceContext

_DIGITS = 48
"""Of a trace's id and of a span's."""

_AT_ONCE = 64
"""Pairs of ids that are drawn together: that costs a third of drawing each by itself."""


class Tracer:
    """Makes the `traceparent` that upstream gets.

    Whether a trace is recorded is decided here, for the share `ratio` of requests: a stranger's wish must not cost us
    anything.
    """

    __slots__ = ("_chance", "_drawn", "_random", "_ratio")

    def __init__(self, ratio: float, chance: random.Random | None = None) -> None:
        self._ratio = ratio
        self._chance = chance or random.Random()  # noqa: S311 - ids of traces are no secret
        self._random = self._chance.random
        self._drawn: list[bytes] = []

    def next_hop(self, given: bytes | None) -> bytes:
        """The header's value, as `trace_id_of` reads it."""
        drawn = self._drawn or self._draw()
        digits = drawn.pop()
        trace_id, span_id = digits[:32], digits[32:]
        flags = b"-01" if self._random() < self._ratio else b"-00"
        if given is not None:
            trace_id = TraceContext.parse(given.decode("latin-1")).trace_id.encode("ascii")
        return b"".join((b"00-", trace_id, b"-", span_id, flags))

    def _draw(self) -> list[bytes]:
        digits = self._chance.randbytes(_AT_ONCE * _DIGITS // 2).hex().encode("ascii")
        self._drawn = [digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS)]
        return self._drawn


def trace_id_of(traceparent: bytes) -> str:
    """The id of the trace in a header's value that `next_hop` made."""
    return traceparent[3:35].decode("ascii")
