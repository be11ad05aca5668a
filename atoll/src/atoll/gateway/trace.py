"""The trace of each request: the client's, if it brings one, else a new one; and who decides what is recorded."""

import random

from atoll.observability.tracing import TraceContext

_BITS_OF_CHANCE = (1 << 20) - 1
"""The share of recorded traces is kept to a millionth."""


class Tracer:
    """Makes the `traceparent` that upstream gets.

    Whether a trace is recorded is decided here, for the share `ratio` of requests: a stranger's wish must not cost us
    anything.
    """

    __slots__ = ("_bits", "_sampled")

    def __init__(self, ratio: float, chance: random.Random | None = None) -> None:
        self._sampled = ratio * (_BITS_OF_CHANCE + 1)
        self._bits = (chance or random.Random()).getrandbits  # noqa: S311 - ids of traces are no secret

    def next_hop(self, given: bytes | None) -> bytes:
        """The header's value, as `trace_id_of` reads it."""
        number = self._bits(192)
        flags = b"01" if number & _BITS_OF_CHANCE < self._sampled else b"00"
        digits = b"%048x" % number
        if given is None:
            return b"00-%b-%b-%b" % (digits[:32], digits[32:], flags)
        trace_id = TraceContext.parse(given.decode("latin-1")).trace_id.encode("ascii")
        return b"00-%b-%b-%b" % (trace_id, digits[32:], flags)


def trace_id_of(traceparent: bytes) -> str:
    """The id of the trace in a header's value that `next_hop` made."""
    return traceparent[3:35].decode("ascii")
